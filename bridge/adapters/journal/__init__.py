"""Where telemetry is durable before it is acknowledged."""
