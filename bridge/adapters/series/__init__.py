"""Where series are kept for plots, replays and exports."""
