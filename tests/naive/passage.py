"""First passage of a Wiener process with an uncertain drift, by simulating many lives."""

import numpy as np


def simulate(distance, drift, noise, horizon, lives=4000):
    """Return simulated times of first passage; infinite where a life outlasts the horizon.

    `drift` is (mean, variance): each life draws its own. Between two steps the bridge between
    them may touch the level unseen; its probability is exact, so coarse steps do not bias.
    """
    steps = 4000
    rng = np.random.default_rng(7)
    dt = horizon / steps
    own = rng.normal(drift[0], np.sqrt(drift[1]), lives)
    x = np.zeros(lives)
    found = np.full(lives, np.inf)
    for step in range(steps):
        new = x + own * dt + rng.normal(0.0, np.sqrt(noise * dt), lives)
        gap, gap_new = distance - x, distance - new
        touch = np.exp(-2.0 * np.maximum(gap, 0) * np.maximum(gap_new, 0) / (noise * dt))
        hit = (new >= distance) | (rng.random(lives) < touch)
        fresh = hit & np.isinf(found)
        found[fresh] = (step + 0.5) * dt
        x = new
    return found
