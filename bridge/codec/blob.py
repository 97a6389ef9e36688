"""The journal's blob: samples of one tenant as columns, little-endian, with a checksum.

Layout: magic ``BSB``, version (1 byte), count (uint32), catalog version (uint32), receive time
(int64), CRC-32 of all but itself (uint32); then the columns signal (int32), t_ns (int64), value
(float64).
"""

import struct
import zlib

import numpy as np

from bridge.model.errors import PayloadError
from bridge.model.samples import Samples

MAGIC = b"BSB"
VERSION = 1
_HEAD = struct.Struct("<3sBIIq")
_CRC = struct.Struct("<I")
_SIGNAL: np.dtype[np.int32] = np.dtype("<i4")
_TIME: np.dtype[np.int64] = np.dtype("<i8")
_VALUE: np.dtype[np.float64] = np.dtype("<f8")
_ROW_BYTES = _SIGNAL.itemsize + _TIME.itemsize + _VALUE.itemsize


def encode(samples: Samples, catalog_version: int = 0) -> bytes:
    """Return the blob of samples of one tenant."""
    head = _HEAD.pack(MAGIC, VERSION, len(samples), catalog_version, samples.receive_ns)
    columns = b"".join(
        (
            samples.signal.astype(_SIGNAL, copy=False).tobytes(),
            samples.t_ns.astype(_TIME, copy=False).tobytes(),
            samples.value.astype(_VALUE, copy=False).tobytes(),
        )
    )
    crc = zlib.crc32(columns, zlib.crc32(head))
    return b"".join((head, _CRC.pack(crc), columns))


def decode(body: bytes) -> Samples:
    """Return the samples of a blob; its columns are read-only views of `body`.

    Raises
    ------
    PayloadError
        ``bad-blob`` where it is not whole, not of this version, or was changed.
    """
    start = _HEAD.size + _CRC.size
    if len(body) < start:
        raise PayloadError("bad-blob", f"{len(body)} bytes; a head has {start}")
    magic, version, count, _, receive_ns = _HEAD.unpack_from(body)
    if magic != MAGIC or version != VERSION:
        raise PayloadError(
            "bad-blob", f"{magic!r} version {version}; {MAGIC!r} {VERSION} is allowed"
        )
    if len(body) != start + count * _ROW_BYTES:
        raise PayloadError("bad-blob", f"{len(body)} bytes for {count} samples")
    view = memoryview(body)
    (crc,) = _CRC.unpack_from(body, _HEAD.size)
    if zlib.crc32(view[start:], zlib.crc32(view[: _HEAD.size])) != crc:
        raise PayloadError(
            "bad-blob", "the checksum differs: it was changed after it was written"
        )
    times = start + count * _SIGNAL.itemsize
    values = times + count * _TIME.itemsize
    return Samples(
        np.frombuffer(body, _SIGNAL, count, start),
        np.frombuffer(body, _TIME, count, times),
        np.frombuffer(body, _VALUE, count, values),
        receive_ns,
    )


def catalog_version(body: bytes) -> int:
    """Return the catalog version that a blob names; 0 where it names none."""
    return int(_HEAD.unpack_from(body)[3])
