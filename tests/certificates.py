"""Certificates for tests: authorities, and what they sign, made by the openssl command."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


def authority(folder: Path, name: str) -> Pair:
    """Make an authority of one's own."""
    pair = _pair(folder, name)
    _openssl("req", "-x509", *_KEY, "-days", "2", "-subj", f"/CN={name}",
             "-keyout", pair.key, "-out", pair.certificate)  # fmt: skip
    return pair


def signed(by: Pair, folder: Path, name: str, *, days: int = 2) -> Pair:
    """Let an authority sign a client's certificate; with `days` below zero it has expired."""
    pair, request = _pair(folder, name), folder / f"{name}.csr"
    _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", pair.key, "-out", request)
    _openssl("x509", "-req", "-in", request, "-CA", by.certificate, "-CAkey", by.key,
             "-set_serial", "1", "-days", str(days), "-out", pair.certificate)  # fmt: skip
    return pair


def locked(pair: Pair) -> Path:
    """Give a copy of a key that opens with a pass phrase only."""
    path = pair.key.with_suffix(".locked")
    _openssl("ec", "-aes128", "-passout", "pass:secret", "-in", pair.key, "-out", path)
    return path


def _pair(folder: Path, name: str) -> Pair:
    folder.mkdir(parents=True, exist_ok=True)
    return Pair(folder / f"{name}.crt", folder / f"{name}.key")


def _openssl(*words: str | Path) -> None:
    subprocess.run(["openssl", *map(str, words)], check=True, timeout=20, capture_output=True)
