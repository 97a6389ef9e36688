"""The bridge: from a machine's telemetry to one case with two owners."""

__version__ = "0.1.0"
