"""Sources of telemetry over MQTT."""
