"""Small feed-forward networks in plain numpy, several taught side by side.

Three layers with ReLU between, three heads: P10 and P90 by pinball loss, P50 by squared error,
in units of the cap. Adam [1]_ with a cosine from the first rate to zero.

References
----------
.. [1] D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015,
   algorithm 1.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Wide = NDArray[np.float64]

HIDDEN = (64, 32)
HEADS = 3
QUANTILES = (0.1, 0.9)
INPUT_MAX = 6.0
UNIT_MIN = 1e-9
TILE_ROWS = 64
"""Rows are predicted in tiles of this size, filled up with zeros: a matrix product may sum in
another order for another number of rows, and a prediction must not depend on its neighbours."""


@dataclass(frozen=True, slots=True)
class Teaching:
    """How networks are taught.

    Parameters
    ----------
    rate, batch_rows, epochs, decay
        First step size of Adam, rows of a step, passes over the rows, and weight decay.
    pinball : float
        Weight of each pinball loss beside the squared error.
    kink : float
        Half width over which the pinball's kink is rounded, in units of the target.
    """

    rate: float = 0.01
    batch_rows: int = 256
    epochs: int = 30
    decay: float = 1e-4
    pinball: float = 0.3
    kink: float = 0.02


@dataclass(frozen=True, slots=True)
class Network:
    """Several networks of one shape.

    Parameters
    ----------
    middle, unit : NDArray[np.float64], shape (d,)
        Inputs are standardised by these, and clipped.
    weights, biases : tuple of NDArray[np.float32]
        Per layer, shapes (nets, inputs, outputs) and (nets, 1, outputs).
    """

    middle: Wide
    unit: Wide
    weights: tuple[F32, ...]
    biases: tuple[F32, ...]


def predict(network: Network, inputs: Wide) -> Wide:
    """Return the heads of every network, shape (nets, n, 3), for inputs of shape (n, d)."""
    n = len(inputs)
    nets = len(network.weights[0])
    found = np.empty((nets, n, HEADS))
    tile = np.zeros((TILE_ROWS, inputs.shape[1]), np.float32)
    for start in range(0, n, TILE_ROWS):
        stop = min(start + TILE_ROWS, n)
        tile[: stop - start] = standard(network, inputs[start:stop])
        tile[stop - start :] = 0.0
        for net in range(nets):
            found[net, start:stop] = _heads(network, net, tile)[: stop - start]
    return found


def standard(network: Network, inputs: Wide) -> F32:
    """Return standardised and clipped inputs."""
    z = (inputs - network.middle) / network.unit
    return np.clip(z, -INPUT_MAX, INPUT_MAX).astype(np.float32)


def teach(
    inputs: Wide,
    target: Wide,
    members: NDArray[np.bool_],
    teaching: Teaching,
    rng: np.random.Generator,
    progress: Callable[[float], None] = lambda _share: None,
) -> Network:
    """Teach one network per row of `members`, all at once.

    Parameters
    ----------
    inputs : NDArray[np.float64], shape (n, d)
        Finite.
    target : NDArray[np.float64], shape (n,)
        In [0, 1].
    members : NDArray[np.bool_], shape (nets, n)
        Which rows teach which network; each has at least one.
    teaching, rng
        Constants and chance.
    progress : callable
        Is told the share that is done, now and then.
    """
    nets = len(members)
    middle, unit = inputs.mean(axis=0), inputs.std(axis=0)
    unit = np.where(unit > UNIT_MIN, unit, 1.0)
    empty = _start(nets, inputs.shape[1], rng)
    network = Network(middle, unit, *empty)
    x, y = standard(network, inputs), target.astype(np.float32)
    rows = [np.flatnonzero(each) for each in members]
    fewest = min(len(each) for each in rows)
    batch = min(teaching.batch_rows, fewest)
    steps = fewest // batch
    adam = _Adam(network, teaching, steps * teaching.epochs)
    for epoch in range(teaching.epochs):
        order = np.stack([rng.permutation(each)[: steps * batch] for each in rows])
        for step in range(steps):
            take = order[:, step * batch : (step + 1) * batch]
            adam.step(*_gradients(network, x[take], y[take], teaching))
        progress((epoch + 1) / teaching.epochs)
    return network


def _start(
    nets: int, d: int, rng: np.random.Generator
) -> tuple[tuple[F32, ...], tuple[F32, ...]]:
    """Return He's start: normal with variance 2 / inputs, zero biases."""
    sizes = (d, *HIDDEN, HEADS)
    weights = tuple(
        (rng.standard_normal((nets, a, b)) * np.sqrt(2.0 / a)).astype(np.float32)
        for a, b in pairwise(sizes)
    )
    biases = tuple(np.zeros((nets, 1, b), np.float32) for b in sizes[1:])
    return weights, biases


def _heads(network: Network, net: int, tile: F32) -> F32:
    """Return the heads of one network for one tile."""
    x = tile
    for layer in range(len(network.weights)):
        x = x @ network.weights[layer][net] + network.biases[layer][net]
        if layer + 1 < len(network.weights):
            np.maximum(x, 0.0, out=x)
    return x


def _gradients(
    network: Network, x: F32, y: F32, teaching: Teaching
) -> tuple[list[F32], list[F32]]:
    """Return the gradients by weights and biases for a batch of (nets, batch) rows."""
    acts = [x]
    for layer in range(len(network.weights)):
        z = np.matmul(acts[-1], network.weights[layer]) + network.biases[layer]
        acts.append(np.maximum(z, 0.0) if layer + 1 < len(network.weights) else z)
    delta = _slope(acts[-1], y, teaching)
    weights: list[F32] = []
    biases: list[F32] = []
    for layer in reversed(range(len(network.weights))):
        weights.append(np.matmul(acts[layer].transpose(0, 2, 1), delta))
        biases.append(delta.sum(axis=1, keepdims=True))
        if layer:
            delta = np.matmul(delta, network.weights[layer].transpose(0, 2, 1))
            delta *= acts[layer] > 0.0
    return weights[::-1], biases[::-1]


def _slope(heads: F32, y: F32, teaching: Teaching) -> F32:
    """Return the derivative of the mean loss by the heads (P10, P50, P90)."""
    error = y[:, :, None] - heads
    slope = -2.0 * error
    for head, quantile in zip((0, 2), QUANTILES, strict=True):
        # Below the quantile by more than the kink the pinball falls by q, above it rises by 1 -
        # q.
        over = np.clip((teaching.kink - error[:, :, head]) / (2.0 * teaching.kink), 0.0, 1.0)
        slope[:, :, head] = teaching.pinball * (over - quantile)
    return (slope / np.float32(y.shape[1])).astype(np.float32)


class _Adam:
    """Algorithm 1 of Adam on the arrays of a network, in place; weight decay as a gradient."""

    def __init__(self, network: Network, teaching: Teaching, steps: int) -> None:
        self._arrays = [*network.weights, *network.biases]
        self._decayed = len(network.weights)
        self._first = [np.zeros_like(each) for each in self._arrays]
        self._second = [np.zeros_like(each) for each in self._arrays]
        self._teaching = teaching
        self._steps = steps
        self._done = 0

    def step(self, weights: list[F32], biases: list[F32]) -> None:
        """Move every array against its gradient."""
        beta1, beta2 = 0.9, 0.999
        rate = self._teaching.rate * 0.5 * (1.0 + np.cos(np.pi * self._done / self._steps))
        self._done += 1
        rate *= np.sqrt(1.0 - beta2**self._done) / (1.0 - beta1**self._done)
        for at, slope in enumerate([*weights, *biases]):
            gradient = slope
            array, first, second = self._arrays[at], self._first[at], self._second[at]
            if at < self._decayed:
                gradient = slope + np.float32(self._teaching.decay) * array
            first += np.float32(1.0 - beta1) * (gradient - first)
            second += np.float32(1.0 - beta2) * (gradient * gradient - second)
            array -= np.float32(rate) * first / (np.sqrt(second) + np.float32(1e-8))
