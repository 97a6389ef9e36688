"""Machines that misbehave on purpose: physics, fault modes, sensor and network faults, business events."""
