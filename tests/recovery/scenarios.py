"""What is stepped through: arenas filled at full speed, then datagrams step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.engines import NOW_NS
from veneurpy.engine import Budget, Overflow

ROTATE = b""
STORE_BYTES = 4 << 20
UNBOUNDED = Budget()
T = b"%d" % (NOW_NS // 1_000_000_000)


@dataclass(frozen=True)
class Scenario:
    """Two scripts of datagrams and rotations; numbers are whole, so sums are exact."""

    before: Sequence[bytes]
    traced: Sequence[bytes]
    is_short: bool = True
    instants: int = 1000
    """With fewer, what it is named after no longer happens within it."""
    store_bytes: int = STORE_BYTES
    is_statsd: bool = False
    gauge_ttl_s: float = 0.0
    budget: Budget = UNBOUNDED
    rank_tolerance: float = 0.02
    """Of the range: the engines' digests differ. The scripts' values are spread evenly."""


def _timer(first: int, last: int) -> bytes:
    """One packed line; the values are spread, and no two are equal."""
    return b"t:" + b":".join(b"%d" % (i * 7919 % 10_007) for i in range(first, last)) + b"|ms"


def _timers(last: int) -> list[bytes]:
    return [_timer(first, min(first + 500, last)) for first in range(0, last, 500)]


def _members(first: int, last: int) -> bytes:
    return b"\n".join(b"s:m%d|s" % i for i in range(first, last))


def _sets(last: int) -> list[bytes]:
    return [_members(first, min(first + 500, last)) for first in range(0, last, 500)]


def _counters(first: int, last: int) -> bytes:
    return b"\n".join(b"n%d:1|c|#a:b" % i for i in range(first, last))


def _events(count: int) -> list[bytes]:
    """Of one size, 20 a datagram."""
    event = b"_e{1,1}:a|b|#" + b"x" * 330
    return [b"\n".join([event] * min(20, count - at)) for at in range(0, count, 20)]


def _spellings(name: bytes, first: int, last: int) -> bytes:
    return b"\n".join(b"%s:1|c|#tag:%d" % (name, i) for i in range(first, last))


SMALL_STORE = 1 << 18
FILLS_IT = 150
"""Events that a small store has room for, beside a timer of 30 samples."""

SCENARIOS = {
    "inserts": Scenario(
        [], [b"c:1|c|#b:1,a:1\ng:2|g", b"t:3|ms\nh:4|h|#veneurlocalonly\ns:x|s\nc:5|c|#a:1,b:1"]
    ),
    "counters": Scenario([b"c:1|c"], [b"c:2:3|c\nc:4|c|@0.5", b"d:5|c\nc:-6|c"]),
    "gauges": Scenario([b"g:1|g"], [b"g:2|g\ng:3:4|g", b"g:5|g"]),
    "gauges change": Scenario(
        [b"g:1|g\nn:+1|g"],
        [b"g:+2|g\ng:-1|g\nh:+1|g", b"g:+1:7:+2|g\nh:+1|g", b"g:3:4|g\nn:+1|g\nh:5|g\nh:-1|g"],
        is_statsd=True,
    ),
    "gauges are carried": Scenario(
        [b"g:1|g\nh:2|g\nh:+3|g|#b,a", ROTATE, b"g:+1|g\nn:7|g|#veneurlocalonly"],
        [ROTATE, b"g:+1|g\nh:9|g", ROTATE, b"n:-1|g|#veneurlocalonly"],
        is_statsd=True,
        gauge_ttl_s=3600.0,
    ),
    "timestamps": Scenario([b"c:1|c"], [b"c:2|c|T" + T + b"\nc:3|c|T" + T, b"g:4|g|T" + T]),
    "side log": Scenario([b"c:1|c"], [b"c:2|c\n_e{1,1}:a|b\nc:3|c", b"_sc|d|0|m:e\nc:4|c"]),
    "timer grows": Scenario([_timer(0, 6)], [_timer(6, 10), b"t:5|ms\nt:6|ms"]),
    "timer grows on": Scenario(_timers(30), [_timer(30, 36)]),
    "timer grows to the last": Scenario(_timers(126), [_timer(126, 132)]),
    "timer gets rates": Scenario([_timer(0, 7)], [b"t:1:2|ms|@0.5\nt:3|ms", b"t:4:5:6|ms"]),
    "first compaction": Scenario(_timers(511), [_timer(511, 515)]),
    "first compaction with rates": Scenario(
        [b"t:1|ms|@0.25", *_timers(509)], [_timer(509, 515)], is_short=False
    ),
    "digest compacts": Scenario(_timers(832), [_timer(832, 840)], instants=10_000),
    "digest compacts twice": Scenario(
        _timers(515), [_timer(515, 1160)], is_short=False, instants=200_000
    ),
    "digest gets rates": Scenario(_timers(600), [b"t:1:2|ms|@0.5\nt:3|ms"], is_short=False),
    "set grows": Scenario([_members(0, 6)], [_members(6, 9)]),
    "set grows to the last": Scenario(_sets(1439), [_members(1439, 1442)], is_short=False),
    "set knows": Scenario(_sets(100), [_members(50, 53), b"s:new|s"]),
    "set becomes dense": Scenario(_sets(1535), [_members(1535, 1539)], is_short=False),
    "dense set": Scenario(_sets(1600), [_members(1600, 1604), _members(0, 2)]),
    "table grows": Scenario(
        [_counters(0, 250), _counters(250, 380)],
        [_counters(i, i + 7) for i in range(380, 520, 7)],
        is_short=False,
    ),
    "table is swept": Scenario(
        [_counters(0, 250), _counters(250, 445), b"n0:1|c"],
        [b"n%d:1|c" % i for i in range(5)],
        is_short=False,
    ),
    "folding": Scenario(
        [_spellings(b"n", 0, 3), b"t:1|ms|#a\nt:2|ms|#b\nt:3|ms|#c\ns:x|s|#a\ns:y|s|#b\ns:z|s|#c"],
        [_spellings(b"n", 3, 6), b"t:4:5|ms|#d\nt:6|ms|#a\ns:v|s|#d\ns:w|s|#e"],
        budget=Budget(max_series=3),
    ),
    "a tag is dropped": Scenario(
        [_spellings(b"n", 0, 5)],
        [_spellings(b"n", 5, 8), b"n:2|c|#tag:9,b:c\nn:3|c|#b:c"],
        budget=Budget(max_series=5, on_overflow=Overflow.DROP_TAG),
    ),
    "tags are watched": Scenario(
        [_spellings(b"n", 0, 125)],
        [_spellings(b"n", 125, 131), _spellings(b"n", 131, 140)],
        budget=Budget(max_values=135),
        is_short=False,
    ),
    "names grow": Scenario(
        [_counters(first, first + 250) for first in range(0, 750, 250)],
        [_counters(i, i + 9) for i in range(750, 920, 9)],
        is_short=False,
    ),
    "squeezed when full": Scenario(
        [*_timers(30), *_events(FILLS_IT)],
        [_timer(30, 44), b"t:5|ms\nt:6|ms|@0.5"],
        store_bytes=SMALL_STORE,
        rank_tolerance=0.3,
    ),
    "squeezed again": Scenario(
        [*_timers(30), *_events(FILLS_IT), _timer(30, 50)],
        [_timer(50, 75)],
        store_bytes=SMALL_STORE,
        rank_tolerance=0.3,
        is_short=False,
    ),
    "rotation": Scenario(
        [b"old:1|c", ROTATE, b"c:1|c\nt:2|ms\ns:x|s\n_e{1,1}:a|b"], [ROTATE, b"c:3|c\ng:1|g"]
    ),
    "rotations": Scenario([b"c:1|c\nt:2|ms"], [ROTATE, b"c:3|c", ROTATE, b"c:4|c"]),
}
