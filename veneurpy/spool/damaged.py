"""Databases that cannot be read: they are kept for whoever wants to look, out of the way."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path


def is_damage(error: sqlite3.Error) -> bool:
    """Whether it is the file that is broken, rather than that the disk takes or gives nothing."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.OperationalError
    )


def set_aside(path: Path) -> None:
    """Renames a damaged file, and what SQLite keeps beside it, to NAME.damaged."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        damaged = path.with_name(path.name + suffix)
        if damaged.exists():
            os.replace(damaged, path.with_name(f"{path.name}.damaged{suffix}"))
