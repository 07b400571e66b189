"""A logger for tests."""

from __future__ import annotations

from typing import Any


class Recorder:
    """Keeps every log line as (level, event, fields)."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, str, dict[str, Any]]] = []

    def log(self, level: int, event: str, **kwargs: Any) -> None:
        """Keeps the line."""
        self.lines.append((level, event, kwargs))

    @property
    def names(self) -> list[str]:
        """The events' names, in order."""
        return [name for _, name, _ in self.lines]

    def of(self, event: str) -> list[dict[str, Any]]:
        """The fields of every line of an event."""
        return [fields for _, name, fields in self.lines if name == event]
