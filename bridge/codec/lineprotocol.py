r"""InfluxDB's line protocol, written for a whole batch of samples at once.

One line holds what one asset sent for one instant, ``telemetry,asset=mill speed=2.0,x=1.5 17``:
the asset is a tag (few values, searched for), each signal a field. The line protocol has no way
to write a backslash before a separator or at the end of a name, nor a line break in one, and
the server drops a field called ``time`` silently; `unfit` says so before anything is sent.
"""

import re
from collections.abc import Sequence

import numpy as np
import polars as pl

from bridge.model.samples import Samples, Slots32, Times, Values
from bridge.model.slots import SignalSlot

MEASUREMENT = "telemetry"
NAME_BYTES_MAX = 1_024

_SEPARATORS = re.compile("([,= ])")
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\]")


def escape(name: str) -> str:
    """Return a tag's or field's name as the line protocol writes it."""
    return _SEPARATORS.sub(r"\\\1", name)


def unfit(slot: SignalSlot) -> str | None:
    """Return why the names of a signal cannot be written, or None where they can."""
    if slot.signal == "time":
        return "a signal cannot be called 'time'"
    for name in (slot.asset, slot.signal):
        if not name:
            return "a name cannot be empty"
        if _UNFIT.search(name):
            return f"{name!r}: no backslash and no control character is allowed in a name"
        if len(name.encode()) > NAME_BYTES_MAX:
            return f"{name[:40]!r}...: {NAME_BYTES_MAX} bytes are allowed in a name"
    return None


def encode(samples: Samples, slots: Sequence[SignalSlot], *, together: bool = True) -> bytes:
    """Return the body of one write, times in nanoseconds.

    Parameters
    ----------
    samples : Samples
        Values are finite, and no identity comes twice.
    slots : sequence of SignalSlot
        `slots[i]` is the signal of slot i; all fit (`unfit`).
    together : bool
        One line for neighbouring samples of one asset and instant; else one line each, so that
        what the server refuses is told apart.

    References
    ----------
    .. [1] InfluxData, "Line protocol", InfluxDB OSS v2 documentation: special characters.
    """
    used, signal = np.unique(samples.signal, return_inverse=True)
    return encode_columns(
        [(MEASUREMENT, slots[slot].asset, slots[slot].signal) for slot in used.tolist()],
        (signal.astype(np.int32, copy=False), samples.t_ns, samples.value),
        together=together,
    )


def encode_columns(
    names: Sequence[tuple[str, str, str]],
    columns: tuple[Slots32, Times, Values],
    *,
    together: bool = True,
) -> bytes:
    """Return the body of one write; `names[i]` is measurement, asset and field of number i.

    The measurement is taken as it is, a word of ours without separators.
    """
    number, t_ns, value = columns
    n = len(number)
    if not n:
        return b""
    series = {name[:2]: at for at, name in enumerate(names)}
    series_of = np.array([series[name[:2]] for name in names], np.int32)[number]
    first = np.ones(n + 1, np.bool_)
    if together:
        first[1:-1] = (t_ns[1:] != t_ns[:-1]) | (series_of[1:] != series_of[:-1])
    heads = [f"{name[0]},asset={escape(name[1])} {escape(name[2])}=" for name in names]
    nexts = [f",{escape(name[2])}=" for name in names]
    frame = pl.DataFrame(
        {
            # One gather from both lists: beginnings of lines, then what goes on with a line.
            "head": number + np.where(first[:-1], 0, len(names)).astype(np.int32),
            "value": value,
            "t": t_ns,
            "last": first[1:],
        }
    )
    words = pl.lit(pl.Series([*heads, *nexts]))
    ends = pl.format(" {}\n", pl.col("t"))
    text = frame.select(
        pl.concat_str(
            words.gather(pl.col("head")),
            pl.col("value").cast(pl.String),
            pl.when("last").then(ends).otherwise(pl.lit("")),
        ).str.join("")
    ).item()
    assert isinstance(text, str)
    return text.encode()
