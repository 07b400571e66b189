"""Marks on intervals that only an arena holds while they are delivered from memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

UNKEPT, SETTLED = ".unkept", ".settled"


class UnkeptMarks:
    """Empty files in `arena_dir`, each named after an interval.

    UNKEPT: its delivery may have begun and nothing else has kept it, so a successor that finds its
    arenas has to take it for doubtful. SETTLED: its arenas are on their way out, and those that are
    still there are to be passed over.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.unkept = frozenset(unkept_in(directory))
        """Those of processes before this one."""
        self.settled = frozenset(_named(directory, SETTLED))

    def __repr__(self) -> str:
        return f"UnkeptMarks({str(self._directory)!r})"

    def add(self, uuid: UUID) -> bool:
        """Before the delivery begins; False where even that finds no room."""
        try:
            self._path(uuid, UNKEPT).touch(mode=0o600)
        except OSError:
            return False
        return True

    def settle(self, uuid: UUID) -> None:
        """Before the first of its arenas goes: at once for all of them."""
        with contextlib.suppress(FileNotFoundError):
            self._path(uuid, UNKEPT).rename(self._path(uuid, SETTLED))

    def forget(self, uuid: UUID) -> None:
        """After the last has gone."""
        for suffix in (UNKEPT, SETTLED):
            self._path(uuid, suffix).unlink(missing_ok=True)

    def _path(self, uuid: UUID, suffix: str) -> Path:
        return self._directory / f"{uuid}{suffix}"


def unkept_in(directory: Path) -> set[UUID]:
    """The intervals marked as UNKEPT; a directory that is not there has none."""
    return set(_named(directory, UNKEPT))


def _named(directory: Path, suffix: str) -> Iterator[UUID]:
    for path in directory.glob(f"*{suffix}"):
        with contextlib.suppress(ValueError):
            yield UUID(path.stem)
