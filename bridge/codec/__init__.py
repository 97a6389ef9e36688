"""Bytes to columns and back: payloads, topics, catalog files, journal blobs, line protocol."""
