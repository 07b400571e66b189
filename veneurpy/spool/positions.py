"""How far each sink has written, and whether the spool knows of all that was written since."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

from veneurpy.spool.database import Database


class Positions:
    """The positions in a database, and a file that is there while they are complete.

    They are complete while whatever a sink has written beyond its position is in the spool too.
    """

    def __init__(self, directory: Path | None) -> None:
        """Without a directory they are never complete: the spool ends with the process."""
        self._complete = None if directory is None else directory / "positions-complete"

    def __repr__(self) -> str:
        return f"Positions({str(self._complete)!r})"

    def read(self, database: Database) -> dict[str, str]:
        """The position of each sink; empty unless they are complete."""
        is_complete = self._complete is not None and self._complete.exists()
        return database.positions() if is_complete else {}

    def place(self, database: Database, positions: Mapping[str, str]) -> None:
        """Keeps them; from now on they are complete. Raises sqlite3.Error or OSError."""
        for sink, position in positions.items():
            database.place(sink, position)
        if self._complete is not None:
            self._complete.touch()

    def say_incomplete(self) -> None:
        """From now on they are not. Idempotent; never raises for the disk."""
        with contextlib.suppress(OSError):
            if self._complete is not None:
                self._complete.unlink(missing_ok=True)
