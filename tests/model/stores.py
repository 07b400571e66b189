"""An import store of counters and gauges whose payloads are JSON: small, exact, quick."""

from __future__ import annotations

import json

from veneurpy.engine import (
    Columns,
    Encoded,
    FrameBroken,
    Imported,
    OwnerTable,
    Plan,
    StoreFull,
    Streamed,
)
from veneurpy.model import Point, PointType, Scope
from veneurpy.testing import columns_of

SERIES_BYTES = 100
Contents = tuple[dict[str, float], dict[str, tuple[int, str, float]]]
"""Counters, and gauges as (time, sender, value)."""


def payload_of(
    counters: dict[str, float], gauges: dict[str, tuple[int, str, float]] | None = None
) -> bytes:
    """What a host sends: gauges as (time, sender, value)."""
    return json.dumps({"c": counters, "g": gauges or {}}).encode()


def contents_of(payload: bytes) -> Contents:
    """What is in a payload."""
    frame = json.loads(payload)
    return frame["c"], {name: (t, s, v) for name, (t, s, v) in frame["g"].items()}


def owner_of(name: str, members: tuple[str, ...]) -> int:
    """Which member owns a series: some function of both."""
    return (sum(name.encode()) * 7 + sum("".join(members).encode())) % len(members)


def pieces_of(contents: Contents, members: tuple[str, ...]) -> list[Encoded]:
    """Cuts series to their owners; half of an owner's to a part."""
    counters, gauges = contents
    pieces = []
    for owner in range(len(members)):
        mine = sorted(name for name in (*counters, *gauges) if owner_of(name, members) == owner)
        for part in (mine[::2], mine[1::2]):
            if part:
                payload = payload_of(
                    {name: counters[name] for name in part if name in counters},
                    {name: gauges[name] for name in part if name in gauges},
                )
                pieces.append(Encoded(owner, payload, len(part), len(part)))
    return pieces


class MemoryStore:
    """One interval's. The gauge of the largest (time, sender) wins."""

    def __init__(self, start_ms: int, most_bytes: int) -> None:
        self.start_ms = start_ms
        self.is_released = False
        self._most_bytes = most_bytes
        self._counters: dict[str, float] = {}
        self._gauges: dict[str, tuple[int, str, float]] = {}
        self._touched: set[str] = set()

    @property
    def series(self) -> int:
        return len(self._counters) + len(self._gauges)

    @property
    def memory_bytes(self) -> int:
        return self.series * SERIES_BYTES

    def merge(
        self, payload: bytes, *, sender: str, received_ns: int, foreign: bool = False
    ) -> Imported:
        """All of it or nothing."""
        assert not self.is_released
        try:
            frame = json.loads(payload)
            counters = {name: float(value) for name, value in frame["c"].items()}
            gauges = {name: (int(t), str(s), float(v)) for name, (t, s, v) in frame["g"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise FrameBroken("bad_json") from exc
        new = len(counters.keys() - self._counters.keys()) * SERIES_BYTES
        if self.memory_bytes + new > self._most_bytes:
            raise StoreFull
        for name, value in counters.items():
            self._counters[name] = self._counters.get(name, 0.0) + value
        for name, gauge in gauges.items():
            self._gauges[name] = max(gauge, self._gauges.get(name, gauge))
        self._touched |= counters.keys() | gauges.keys()
        return Imported(len(counters) + len(gauges), len(counters) + len(gauges), {})

    def merge_stream(self, frames: bytes, *, sender: str, received_ns: int) -> Streamed:
        """Nobody streams here."""
        raise NotImplementedError

    def columns(self, plan: Plan, *, touched_only: bool = False) -> Columns:
        """One row a series."""
        assert not self.is_released
        rows = [(name, value, PointType.COUNTER) for name, value in self._counters.items()]
        rows += [(name, gauge[2], PointType.GAUGE) for name, gauge in self._gauges.items()]
        return columns_of(
            Point(name, (), kind, Scope.GLOBAL, self.start_ms, 1.0, "", value, 0)
            for name, value, kind in rows
            if not touched_only or name in self._touched
        )

    def state(self, shards: int, max_bytes: int) -> list[bytes]:
        """Each series in a shard of its own, so that there is more than one."""
        counters = [payload_of({name: value}) for name, value in self._counters.items()]
        return counters + [payload_of({}, {name: each}) for name, each in self._gauges.items()]

    def encode(self, table: OwnerTable, max_bytes: int) -> list[Encoded]:
        """What it has for the members of the next tier; half of an owner's series to a part."""
        return pieces_of((self._counters, self._gauges), table.members)

    def forget_touched(self) -> None:
        self._touched = set()

    def release(self) -> None:
        self.is_released = True


class MemoryEngine:
    """Opens such stores."""

    def __init__(self, most_bytes: int = 1 << 20) -> None:
        self.most_bytes = most_bytes
        self.opened: list[MemoryStore] = []

    def open_import(self, start_ms: int) -> MemoryStore:
        """A store of the interval that starts then."""
        self.opened.append(MemoryStore(start_ms, self.most_bytes))
        return self.opened[-1]

    @property
    def leaked(self) -> int:
        """Stores that nobody has released."""
        return sum(not store.is_released for store in self.opened)
