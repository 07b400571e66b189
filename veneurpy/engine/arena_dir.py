"""The directory where arenas are files, so that what was aggregated outlives the process."""

from __future__ import annotations

import fcntl
import os
import secrets
from functools import cache
from pathlib import Path

from veneurpy.engine.unkept import UnkeptMarks

SUFFIX = ".arena"
PAGE_BYTES = 4096
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class ArenaDirTaken(OSError):
    """Another process has the directory."""


class ArenaDir:
    """Owns a directory: a lock keeps two processes apart for as long as this one lives."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock_fd = os.open(self._path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            os.close(self._lock_fd)
            raise ArenaDirTaken(
                f"arena_dir {path} is in use by another veneurpy: stop it, or give each its own"
            ) from exc
        self.marks = UnkeptMarks(self._path)
        self._left = sorted(self._path.glob(f"*{SUFFIX}"))

    def __repr__(self) -> str:
        return f"ArenaDir({str(self._path)!r})"

    @property
    def left_behind(self) -> list[Path]:
        """Arenas that were here when the directory was taken: those of processes that died."""
        return list(self._left)

    def create(self, size: int) -> tuple[int, Path]:
        """A new, empty, sparse file of at least `size` bytes, as (descriptor, path)."""
        path = self._path / f"{os.getpid()}-{secrets.token_hex(6)}{SUFFIX}"
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        os.ftruncate(fd, -(-size // PAGE_BYTES) * PAGE_BYTES)
        return fd, path

    def close(self) -> None:
        """Lets the next process in. Idempotent."""
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1


@cache
def boot_id() -> bytes:
    """What tells one boot of the machine from another: 16 bytes, zeros where there is no /proc.

    Read once: an interval is to end also when the process has no descriptor left.
    """
    try:
        text = BOOT_ID.read_text()
    except OSError:
        return bytes(16)
    return bytes.fromhex(text.strip().replace("-", ""))
