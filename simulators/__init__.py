"""Machines that misbehave on purpose.

Physics, fault modes, sensor and network faults, business events.
"""
