"""Passwords as argon2id hashes; tokens and sessions as random text, kept as a digest only."""

import functools
import hashlib
import secrets

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from argon2.exceptions import VerificationError as BrokenHashError

TOKEN_PREFIX = "br_"  # noqa: S105 - a mark by which scanners find leaked tokens, no secret
_BYTES = 32
_HASHER = PasswordHasher()  # RFC 9106, second recommended option: 64 MiB, 3 passes, 4 lanes


@functools.cache
def _nobody() -> str:
    """Return a hash that nobody's password has.

    Somebody unknown costs as long as somebody known, or the time would tell who exists; made
    when first needed, as making it takes as long as a sign-in and 64 MiB.
    """
    return _HASHER.hash(secrets.token_urlsafe(_BYTES))


def hash_password(password: str) -> str:
    """Return the argon2id hash with its parameters and salt; takes some 50 ms."""
    return _HASHER.hash(password)


def check_password(stored: str | None, password: str) -> bool:
    """Tell whether a password belongs to a hash; None stands for nobody and takes as long."""
    try:
        _HASHER.verify(stored or _nobody(), password)
    except (VerifyMismatchError, BrokenHashError, InvalidHashError):
        return False
    return stored is not None


def new_secret(prefix: str = "") -> str:
    """Return 32 random bytes as text that fits in a header or a cookie."""
    return prefix + secrets.token_urlsafe(_BYTES)


def digest(secret: str) -> bytes:
    """Return what is stored of a token or a session: SHA-256.

    Notes
    -----
    256 random bits need no slow hash. Looking a digest up tells by its time at most something
    about the digest, of which nobody can compute the secret.
    """
    return hashlib.sha256(secret.encode()).digest()
