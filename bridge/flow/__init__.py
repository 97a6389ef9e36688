"""What runs: intake, archive, watch, desk, outbox, clocks, supervision, and their ports."""
