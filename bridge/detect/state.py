"""States as plain arrays: look up rows, grow, forget, copy out and put back bit by bit.

A state is a slotted dataclass whose fields are arrays with the asset first, or such states.
"""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bridge.model.samples import Slots32

Array = NDArray[Any]
Rows = slice | Slots32
"""How the rows of a frame are found in a state: a slice where they lie side by side."""


def rows_of(slot: Slots32) -> Rows:
    """Return a slice where the slots are consecutive (no copies then), else the slots."""
    n = slot.size
    if n and int(slot[-1]) - int(slot[0]) == n - 1 and bool((np.diff(slot) == 1).all()):
        return slice(int(slot[0]), int(slot[0]) + n)
    return slot


def arrays(state: object, path: str = "") -> Iterator[tuple[str, Array]]:
    """Yield every array of a state with its dotted name, in the order of the fields."""
    for each in fields(state):  # type: ignore[arg-type]
        value = getattr(state, each.name)
        name = f"{path}{each.name}"
        if isinstance(value, np.ndarray):
            yield name, value
        elif value is not None:
            yield from arrays(value, f"{name}.")


def copy_rows(old: object, new: object) -> None:
    """Copy the rows of `old` into the first rows of `new`, which has as many or more."""
    for (_, source), (_, target) in zip(arrays(old), arrays(new), strict=True):
        target[: len(source)] = source


def reset_rows(state: object, fresh: object, slots: Slots32) -> None:
    """Set rows of a state to the only row of `fresh`: all about these assets is forgotten."""
    for (_, target), (_, source) in zip(arrays(state), arrays(fresh), strict=True):
        target[slots] = source[0]


def snapshot(state: object) -> dict[str, Array]:
    """Return a copy of every array by its dotted name."""
    return {name: array.copy() for name, array in arrays(state)}


def restore(state: object, kept: dict[str, Array]) -> None:
    """Write a snapshot into a state of the same shape.

    Raises
    ------
    ValueError
        Where an array is missing, or has another shape or type: it is of another version.
    """
    found = dict(arrays(state))
    if found.keys() != kept.keys():
        odd = sorted(found.keys() ^ kept.keys())
        raise ValueError(f"snapshot of another version: {odd} stand on one side only")
    for name, array in found.items():
        if array.shape != kept[name].shape or array.dtype != kept[name].dtype:
            raise ValueError(
                f"snapshot of another version: {name} is {kept[name].dtype}"
                f"{kept[name].shape}, {array.dtype}{array.shape} is allowed"
            )
    for name, array in found.items():
        array[...] = kept[name]


def size_bytes(state: object) -> int:
    """Return the memory that the arrays of a state take."""
    return sum(array.nbytes for _, array in arrays(state))
