"""What an owner needs of an engine: a store for what is imported of one interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from veneurpy.engine import Columns, Plan


class FrameBroken(ValueError):
    """A payload is not what it should be; nothing of it was merged. `reason` is a fixed word."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class StoreFull(Exception):
    """There is no room for a payload; nothing of it was merged."""


class Imported(NamedTuple):
    """What was merged of a payload."""

    metrics: int
    samples: int
    rejected: Mapping[str, int]
    """Metrics that were left out, by reason."""


class ImportStore(Protocol):
    """The merged series of one interval. One call at a time, on any thread."""

    @property
    def series(self) -> int: ...
    @property
    def memory_bytes(self) -> int: ...

    def merge(self, payload: bytes, *, sender: str, received_ns: int) -> Imported:
        """Merges all of a payload or, raising FrameBroken or StoreFull, nothing of it."""
        ...

    def columns(self, plan: Plan, *, touched_only: bool = False) -> Columns:
        """The points; of the series merged since `forget_touched` only, if it is asked for."""
        ...

    def state(self, shards: int, max_bytes: int) -> Sequence[bytes]:
        """Payloads of at most `max_bytes` that give the store back."""
        ...

    def forget_touched(self) -> None: ...
    def release(self) -> None: ...


class ImportEngine(Protocol):
    """An engine, as far as imports go."""

    def open_import(self, start_ms: int) -> ImportStore:
        """A store of the interval that starts then."""
        ...
