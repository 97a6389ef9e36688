"""What runs: intake, archive, watch, desk, outbox, clocks, supervision, and the ports they run on."""
