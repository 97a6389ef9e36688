"""Shared by every test: how hard hypothesis looks, the real servers, and what was not run."""

import os

from hypothesis import HealthCheck, settings

# A deadline measures the machine, not the property; the whole run has a fault timeout.
settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile(
    "deep", deadline=None, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "ci", deadline=None, max_examples=200, derandomize=True, print_blob=True
)
settings.load_profile(
    os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick")
)
