"""Whether files that a process holds open are still what their names mean."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path


class Anchors:
    """Files as they were when it was made; `gone` looks at them again."""

    def __init__(self, *paths: Path) -> None:
        self._inodes = {path: _inode(path) for path in paths}

    def __repr__(self) -> str:
        return f"Anchors({', '.join(map(str, self._inodes))})"

    def gone(self) -> Sequence[Path]:
        """Those that were removed or replaced. Blocks as long as their disks do."""
        return [path for path, inode in self._inodes.items() if _inode(path) != inode]


def _inode(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
