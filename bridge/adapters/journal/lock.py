"""One service per data folder: a lock that dies with its process."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from bridge.model.errors import ConflictError, UnavailableError


class DataFolder:
    """A held lock on one role of a data folder; `lock` takes it, `release` gives it back.

    Notes
    -----
    `flock` belongs to the open file, so the kernel gives it back however the process ends; the
    number in the file only names the holder in the message. It does not reach over NFS without
    a lock daemon: a data folder belongs on a disk of the machine.
    """

    def __init__(self, path: Path, file: int) -> None:
        self.path = path
        self._file: int | None = file

    @classmethod
    def lock(cls, path: Path, name: str = "service") -> Self:
        """Hold `<path>/<name>.lock`, making the folder where it is missing.

        Raises
        ------
        ConflictError
            Another process (or another holder in this one) has it; names its process id.
        UnavailableError
            The folder cannot be made or written.
        """
        where = path / f"{name}.lock"
        try:
            path.mkdir(parents=True, exist_ok=True)
            file = os.open(where, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise UnavailableError(
                "journal",
                f"{where} cannot be written ({error.strerror}); check its owner and rights",
            ) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.pread(file, 32, 0).decode("ascii", "replace").strip() or "unknown"
            os.close(file)
            raise ConflictError(
                f"{path} is in use as {name!r} by process {holder}; stop it, or give this "
                "service a data folder of its own"
            ) from error
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)
        return cls(where, file)

    def release(self) -> None:
        """Give it back; a second call does nothing.

        The file stays: removing it would let two processes lock two files of one name.
        """
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()
