"""A disk that can be full: a small tmpfs of its own below a node's state_dir."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
from pathlib import Path

SIZE_BYTES = 24 << 20
PIECE = bytes(1 << 16)


class SmallDisk:
    """Mounted at a directory. Only root can."""

    def __init__(self, place: Path) -> None:
        """Raises subprocess.CalledProcessError where mounting is not allowed."""
        self.place = place
        options = f"size={SIZE_BYTES},mode=0700"
        command = ["mount", "-t", "tmpfs", "-o", options, "chaos", str(place)]
        subprocess.run(command, check=True, capture_output=True)
        self._ballast = place / "ballast"

    def __repr__(self) -> str:
        return f"SmallDisk({self.place})"

    def fill(self) -> None:
        """Leaves no byte free."""
        with self._ballast.open("ab", buffering=0) as file:
            piece = PIECE
            while piece:
                try:
                    file.write(piece)
                except OSError as exc:
                    if exc.errno != errno.ENOSPC:
                        raise
                    piece = piece[: len(piece) // 2]

    def empty(self) -> None:
        """Gives the room back. Idempotent."""
        self._ballast.unlink(missing_ok=True)

    def close(self) -> None:
        """Unmounts it."""
        with contextlib.suppress(subprocess.CalledProcessError):
            command = ["umount", "--lazy", str(self.place)]
            subprocess.run(command, check=True, capture_output=True)


def can_mount() -> bool:
    """Whether this process may mount."""
    return os.geteuid() == 0
