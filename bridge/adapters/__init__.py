"""The outside world, one folder per port."""
