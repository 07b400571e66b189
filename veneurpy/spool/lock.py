"""One daemon for one `state_dir`."""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

from veneurpy.errors import VeneurpyError


class StateLocked(VeneurpyError):
    """The state directory cannot be used; the text says why and how to mend it."""


class StateLock:
    """Holds `path` in a directory, for as long as the process lives or until `release`."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "lock"
        self._fd = -1

    def __repr__(self) -> str:
        return f"StateLock({str(self.path)!r}, held={self._fd >= 0})"

    def acquire(self) -> None:
        """Takes it. Raises StateLocked if another process has it, or the directory is no use."""
        folder = self.path.parent
        try:
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            holder = os.pread(self._fd, 20, 0).decode(errors="replace").strip() or "unknown"
            self.release()
            raise StateLocked(
                f"state_dir {folder} is in use by another veneurpy (pid {holder}): "
                "stop it, or give each its own state_dir and arena_dir"
            ) from exc
        except OSError as exc:
            self.release()
            raise StateLocked(
                f"state_dir {folder} cannot be used: {exc.strerror}; "
                "make it a directory that the daemon may write (StateDirectory= of the unit)"
            ) from exc
        with contextlib.suppress(OSError):  # a full disk: the number is only there to be shown
            os.ftruncate(self._fd, 0)
            os.pwrite(self._fd, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Lets the next one have it. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
