"""An arena as a dead process leaves it, and what a successor makes of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.engines import NOW_NS, START_MS, Row, broken_equations, rows
from tests.recovery.prefixes import PLAN
from veneurpy.engine import Accounts, EngineOptions, Grammar, MetricType, open_engine

STORE_BYTES = 1 << 20
NUMBERS = (MetricType.COUNTER, MetricType.GAUGE)


@dataclass(frozen=True)
class Found:
    """All that was recovered."""

    rows: list[Row]
    side_log: list[tuple[int, bytes]]
    broken: int
    unreadable: list[str]
    accounts: list[Accounts] = field(default_factory=list)

    @property
    def numbers(self) -> set[tuple[object, ...]]:
        """Counters and gauges, whose values carry a check; without the interval's start."""
        return {
            (row.name, row.tags, row.series_type, row.scope, row.own_time, row.value)
            for row in self.rows
            if row.series_type in NUMBERS
        }


def options(arena_dir: Path, **more: int) -> EngineOptions:
    return EngineOptions(arena_dir=str(arena_dir), **{"store_max_bytes": STORE_BYTES, **more})


def leave(arena_dir: Path, datagrams: Iterable[bytes], start_ms: int = START_MS) -> None:
    """Feeds a reader of an engine and leaves its arenas as a death would."""
    engine = open_engine("native", options(arena_dir), start_ms=start_ms)
    reader = engine.open_reader("udp://127.0.0.1:8125", grammar=Grammar(is_statsd=True))
    for datagram in datagrams:
        reader.feed(datagram, now_ns=NOW_NS)
    engine.close(leave_arenas=True)


def filled() -> list[bytes]:
    """Every kind of entry and of block."""
    lines = [b"c%d:%d|c|#a:%d" % (i, i + 1, i) for i in range(60)]
    lines += [b"c%d:1|c|#b:1,a:1,veneurlocalonly|T%d" % (i, NOW_NS // 10**9) for i in range(5)]
    lines += [b"g%d:%d|g" % (i, i) for i in range(30)]
    lines += [b"w%d:%d|g" % (i, i) for i in range(5)]
    lines += [b"w%d:+%d|g" % (i % 10, i) for i in range(40)]
    lines += [b"t%d:%d:7|ms|@0.5" % (i, i) for i in range(20)]
    lines += [b"h%d:%d:%d|h" % (i, i, j) for i in range(8) for j in range(9)]
    lines += [b"d:%d|ms" % (i * 7919 % 10_007) for i in range(1200)]
    lines += [b"s%d:m%d|s" % (i, j) for i in range(8) for j in range(2**i)]
    lines += [b"big:m%d|s" % i for i in range(1700)]
    lines += [b"_e{1,2}:a|%02d" % i for i in range(30)]
    return [b"\n".join(lines[at : at + 100]) for at in range(0, len(lines), 100)]


def newest(arena_dir: Path) -> bytes:
    """The content of the one arena that holds an interval."""
    full = [path for path in arena_dir.glob("*.arena") if path.read_bytes()[8:12] == b"OPEN"]
    assert len(full) == 1
    return full[0].read_bytes()


def recover(arena_dir: Path, contents: Iterable[bytes]) -> Found:
    """What an engine finds where these are the arenas; all is asked for, and everything goes."""
    for number, content in enumerate(contents):
        write_sparsely(arena_dir / f"{number}.arena", content)
    engine = open_engine("native", options(arena_dir), start_ms=START_MS + 1)
    found_rows: list[Row] = []
    side_log: list[tuple[int, bytes]] = []
    found_accounts: list[Accounts] = []
    broken = 0
    for interval in engine.recovered():
        columns = interval.columns(PLAN)
        found_rows += rows(columns)
        assert interval.series <= len(columns)
        assert interval.type_conflicts is not None
        found_accounts += [accounts for _, accounts in interval.accounts]
        for accounts in found_accounts:
            assert [] == broken_equations(accounts)
        side_log += interval.side_log
        broken += interval.broken
        interval.release()
    unreadable = [why for _, why in engine.unreadable]
    engine.close()
    assert [] == list(arena_dir.glob("*.arena"))
    return Found(sorted(found_rows), side_log, broken, unreadable, found_accounts)


def write_sparsely(path: Path, content: bytes, page: int = 4096) -> None:
    """A file whose pages of zeros are holes, as in an arena."""
    with path.open("wb") as file:
        for at in range(0, len(content), page):
            if part := content[at : at + page].strip(b"\0") and content[at : at + page]:
                os.pwrite(file.fileno(), part, at)
        file.truncate(len(content))
