"""Machines that misbehave on purpose: physics, fault modes, bad sensors and networks, events.

Nothing here knows how detection works; a test holds the imports to that.
"""
