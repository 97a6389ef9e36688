"""Addresses as settings hold them, refused at the start instead of at the first use."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

_SCHEMES = ("http", "https")


def _url(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in _SCHEMES or not parts.hostname:
        raise ValueError("http://host/path or https://host/path is allowed")
    return value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    bare = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in _SCHEMES or not parts.hostname or value != bare:
        raise ValueError("https://host or https://host:port, without a path, is allowed")
    return value


Url = Annotated[str, AfterValidator(_url)]
"""Where a server listens."""
Origin = Annotated[str, AfterValidator(_origin)]
"""Scheme, host and port of a page, as browsers name it (RFC 6454)."""
