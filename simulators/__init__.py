"""Machines that misbehave on purpose: physics, fault modes, sensor and network faults, business events.

Nothing here knows how detection works; a test holds the imports to that.
"""
