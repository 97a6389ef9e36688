"""Snapshots of the watch: files that carry their offset; the newest few are kept."""

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bridge.flow.keeping import Arrays

HEADER = "header"
"""Member that holds the header as JSON in bytes."""


@dataclass(frozen=True, slots=True)
class Snapshots:
    """The folder of the snapshots.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    keep : int
        So many are kept.
    """

    folder: Path
    keep: int = 3

    def offsets(self) -> list[int]:
        """Return the offsets of the snapshots, the newest first."""
        found = self.folder.glob("watch-*.npz") if self.folder.is_dir() else ()
        numbers = (path.stem.removeprefix("watch-") for path in found)
        return sorted((int(each) for each in numbers if each.isdigit()), reverse=True)

    def write(self, header: dict[str, Any], arrays: Arrays) -> list[int]:
        """Write a snapshot durably, remove the oldest, and return what is kept, newest first.

        Raises
        ------
        OSError
            The disk is full or away; older snapshots are untouched.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self._path(int(header["offset"]))
        part = path.with_suffix(".part")
        text = np.frombuffer(json.dumps(header).encode(), np.uint8)
        with part.open("wb") as file:
            np.savez(file, allow_pickle=False, **{HEADER: text}, **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        kept = self.offsets()
        for offset in kept[self.keep :]:
            self._path(offset).unlink(missing_ok=True)
        return kept[: self.keep]

    def read(self, offset: int) -> tuple[dict[str, Any], Arrays]:
        """Return header and arrays of the snapshot at an offset.

        Raises
        ------
        ValueError
            It cannot be read.
        """
        try:
            with np.load(self._path(offset), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            header: dict[str, Any] = json.loads(arrays.pop(HEADER).tobytes())
        except (OSError, KeyError, EOFError, zipfile.BadZipFile, UnicodeDecodeError) as error:
            raise ValueError(f"{self._path(offset).name} cannot be read: {error}") from error
        return header, arrays

    def _path(self, offset: int) -> Path:
        return self.folder / f"watch-{offset:020d}.npz"
