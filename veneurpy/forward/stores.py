"""What an owner needs of an engine."""

from __future__ import annotations

from typing import Protocol

from veneurpy.engine import ImportStore


class ImportEngine(Protocol):
    """An engine, as far as imports go."""

    def open_import(self, start_ms: int) -> ImportStore:
        """An empty store for what is sent of the interval that starts then."""
        ...
