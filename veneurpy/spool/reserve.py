"""Room on the disk for the start of the next process, held while none runs."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

RESERVED_BYTES = 128 << 10
"""More than SQLite's files beside a database take before anything is written."""


class Reserve:
    """A file in a directory. SQLite deletes its own at an orderly end, and has to make them anew.

    Whoever fills the disk meanwhile would keep the next process from its start.
    """

    def __init__(self, directory: Path | None) -> None:
        self._path = None if directory is None else directory / "reserve"

    def __repr__(self) -> str:
        return f"Reserve({str(self._path)!r})"

    def hold(self) -> None:
        """Takes the room, if there is any. Idempotent; never raises for the disk."""
        if self._path is None:
            return
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(fd, 0, RESERVED_BYTES)
            finally:
                os.close(fd)
        except OSError:
            self.free()

    def free(self) -> None:
        """Gives it back. Idempotent; never raises for the disk."""
        if self._path is not None:
            with contextlib.suppress(OSError):
                self._path.unlink(missing_ok=True)
