"""Several signals together: Hotelling's T2 and the residuals of each signal given the others.

It looks at the block means of `bridge.detect.shift`, each in its own deviations, so it costs
next to nothing per row. Their correlation is learned over the blocks and shrunk towards none,
because few blocks have been seen; what the signals do together may be odd where each alone is
not.

References ---------- .. [1] J. E. Jackson, G. S. Mudholkar, "Control procedures for residuals
associated with principal
   component analysis", Technometrics 21 (1979). We take residuals of each signal given the
   others in place of those of a subspace: they name the signal, and need no choice of
   dimension.
.. [2] O. Ledoit, M. Wolf, "A well-conditioned estimator for large-dimensional covariance
   matrices", J. Multivariate Analysis 88 (2004): why to shrink; our share is fixed by the
   counts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bridge.detect.config import ChainConfig, Wide
from bridge.detect.state import Array
from bridge.model.samples import Slots32

SIGNALS_MAX = 16
"""With more signals than this the matrix would outgrow the budget of memory; they go alone."""
CLIP = 4.0
SHRINK_MIN = 0.05
BLOCKS_MIN = 24
BLOCKS_MAX = 400


@dataclass(slots=True)
class MultivariateState:
    """What is remembered per asset (n) of k signals; of none where there are too many.

    Attributes
    ----------
    blocks : NDArray[np.int32], shape (n,)
        Blocks learned.
    product : NDArray[np.float64], shape (n, k, k)
        Mean product of the block values, in own deviations.
    """

    blocks: NDArray[np.int32]
    product: Wide


def init(config: ChainConfig, n: int) -> MultivariateState:
    """Return the state of n assets before their first block."""
    k = config.k if 1 < int(config.scored.sum()) <= SIGNALS_MAX else 0
    return MultivariateState(np.zeros(n, np.int32), np.zeros((n, k, k)))


def update(
    state: MultivariateState,
    slot: Slots32,
    block: tuple[Wide, NDArray[np.bool_]],
    out: tuple[Wide, Wide],
) -> None:
    """Fold one block of some assets in, and say how odd it was before that.

    Parameters
    ----------
    state : MultivariateState
        Changed in place.
    slot : NDArray[np.int32], shape (n,)
        Whose blocks these are.
    block : (u, learning)
        Shapes (n, k) and (n,): block means in own deviations, 0 where missing, and who is in
        commissioning; afterwards a block teaches a four-hundredth, or a fault would be learned.
    out : (t2, residual)
        NDArray[np.float64], shapes (n,) and (n, k): T2, and each signal's residual given the
        others in its own deviations.
    """
    t2, residual = out
    u, learning = block
    if not state.product.shape[1]:
        t2[...], residual[...] = 0.0, 0.0
        return
    u = np.clip(u, -CLIP, CLIP)
    blocks, product = state.blocks[slot], state.product[slot]
    inverse = _inverse(_correlation(product, blocks))
    weighted = np.zeros_like(u)
    for each in range(u.shape[1]):
        weighted += inverse[:, :, each] * u[:, each, None]
    t2[...] = np.maximum((weighted * u).sum(axis=1), 0.0)
    own = np.ascontiguousarray(np.diagonal(inverse, axis1=1, axis2=2))
    residual[...] = weighted / np.sqrt(own)
    young = learning | (blocks < BLOCKS_MIN)
    gain = np.where(young, 1.0 / (np.minimum(blocks, BLOCKS_MAX) + 1.0), 1.0 / BLOCKS_MAX)
    pair = u[:, :, None] * u[:, None, :]
    state.product[slot] = product + gain[:, None, None] * (pair - product)
    state.blocks[slot] = blocks + 1


def _correlation(product: Wide, blocks: NDArray[np.int32]) -> Wide:
    """Return correlations shrunk towards none by how few blocks there are."""
    k = product.shape[1]
    diagonal = np.arange(k)
    size = np.sqrt(np.maximum(product[:, diagonal, diagonal], 1e-6))
    shrink = np.clip(k / np.maximum(blocks, 1), SHRINK_MIN, 1.0)[:, None, None]
    found = np.clip(product / (size[:, :, None] * size[:, None, :]), -1.0, 1.0)
    found = (1.0 - shrink) * found
    found[:, diagonal, diagonal] = 1.0
    correlation: Wide = found
    return correlation


def _inverse(matrix: Array) -> Wide:
    """Return inverses by elimination, in one order for any number of matrices."""
    k = matrix.shape[1]
    left: Wide = matrix.copy()
    right = np.broadcast_to(np.eye(k), left.shape).copy()
    for each in range(k):
        pivot = left[:, each, each].copy()
        left[:, each] /= pivot[:, None]
        right[:, each] /= pivot[:, None]
        for other in range(k):
            if other != each:
                share = left[:, other, each].copy()
                left[:, other] -= share[:, None] * left[:, each]
                right[:, other] -= share[:, None] * right[:, each]
    return right
