"""Exponential means of one signal as their definition says: weighted sums over all its rows."""

import numpy as np


def means(times, values, tau):
    """Return at each row the mean so far, weighted exp(-age / tau); NaN is missing."""
    found = []
    for row in range(len(times)):
        past = ~np.isnan(values[: row + 1])
        age = times[row] - times[: row + 1]
        weight = np.where(past, np.exp(-age / tau), 0.0)
        total = weight.sum()
        filled = np.where(past, values[: row + 1], 0.0)
        found.append((weight * filled).sum() / total if total > 0 else 0.0)
    return np.array(found)
