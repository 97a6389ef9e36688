"""Pages for both roles."""
