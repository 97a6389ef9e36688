"""Names as machines send them, and the ids that stand for them everywhere behind the codec."""

import re
from functools import lru_cache
from zlib import crc32

ID_LEN_MAX = 64
MARK_LEN = 4
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_STRANGE = re.compile(r"[^A-Za-z0-9._-]+")


@lru_cache(maxsize=65_536)
def as_id(name: str) -> str:
    """Return the id of a name: the name itself where it may be one, else a readable stand-in.

    Catalog, records and pages know ids of 1 to 64 characters ``A-Z a-z 0-9 . _ -``. A
    machine that sends ``Motor Temp`` is kept all the same, with a mark at the end: what may not
    stand in an id becomes ``_``, and the mark, made of the whole name, keeps two such names
    apart. The same name gives the same id, always; `Mapping.names` gives it a better one.
    """
    if _ID.fullmatch(name):
        return name
    mark = f"{crc32(name.encode()):08x}"[:MARK_LEN]
    plain = _STRANGE.sub("_", name)[: ID_LEN_MAX - MARK_LEN - 1]
    return f"{plain}-{mark}"
