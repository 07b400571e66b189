"""What do options cost, beside a node that has them off?"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.answers import Answer, Figure, ratios
from benchmarks.feeding import check_accounts, native_engine, rotate
from benchmarks.load import Load, Sent, write_lines
from veneurpy.config.mapping import parse_mapping
from veneurpy.engine import Engine, OriginTag, Process, Reader
from veneurpy.flush.summarise import plan_of
from veneurpy.rules import MappingRewriter

LINES = 200_000
PASSES = 5
SERIES = 1000
PACKED = 20
LONGEST = 300
CAPTURE_BYTES = 8 << 20
"""The default of `capture_bytes`."""
FIELDS = b"|c:ci-" + b"0123456789abcdef" * 4 + b"|card:low"
"""What official clients add to a line in a container."""
NAMES = 50_000
RULES = """
mappings:
- match: bench.*.requests.*
  name: bench_requests
  labels: {host: $1, code: $2}
"""

METHOD = f"""\
Ratios of CPU time of the process, with the option divided by without; both ran by turns.

Receiving: {LINES:,} lines of some 68 bytes, a mix of types on {SERIES:,} series, through
`Reader.feed`: {PASSES} passes after one that inserts the series. One line a datagram, {PACKED}, or
{LONGEST}, which is the parser with nothing around it. With one line a datagram the call from Python
has its part in both, as receiving has in a daemon. For `origin_tags` the lines have the fields `c:`
and `card:` besides ({len(FIELDS)} bytes) and the process that sends is told, with the option and
without; three tags are made of that. `capture_bytes` is {CAPTURE_BYTES >> 20} MiB, or 0.

Merging: `Interval.columns` of {NAMES:,} counters with a name each, which a rule of `name_mapping`
makes one name with two tags. "First": the rules are asked for each of the names; "later": what
they said is remembered."""


@dataclass(frozen=True, slots=True)
class Case:
    """What an option does to receiving."""

    what: str
    lines_each: int
    options: Mapping[str, Any]
    fields: bytes = b""

    @property
    def process(self) -> Process | None:
        """The sender, where that matters."""
        return Process(os.getpid(), os.getuid()) if self.fields else None


ORIGIN = {"origin_tags": (OriginTag.CONTAINER_ID, OriginTag.CARDINALITY, OriginTag.UID)}
RING = {"capture_bytes": CAPTURE_BYTES}
CASES = (
    Case(f"origin_tags, {LONGEST} lines a datagram", LONGEST, ORIGIN, FIELDS),
    Case(f"origin_tags, {PACKED} lines a datagram", PACKED, ORIGIN, FIELDS),
    Case("origin_tags, one line a datagram", 1, ORIGIN, FIELDS),
    Case(f"capture, {PACKED} lines a datagram", PACKED, RING),
    Case("capture, one line a datagram", 1, RING),
)


def datagrams_of(path: Path, case: Case) -> list[bytes]:
    """The file's lines as the case packs them."""
    lines = [line + case.fields for line in path.read_bytes().splitlines()]
    step = case.lines_each
    return [b"\n".join(lines[at : at + step]) for at in range(0, len(lines), step)]


def receiving_s(case: Case, datagrams: list[bytes], written: Sent, *, is_on: bool) -> float:
    """CPU seconds of the passes over series that are known."""
    with native_engine(**case.options if is_on else {}) as engine:
        feed, process = engine.open_reader("bench").feed, case.process
        for datagram in datagrams:
            feed(datagram, process=process)
        start_s = time.process_time()
        for _ in range(PASSES):
            for datagram in datagrams:
                feed(datagram, process=process)
        used_s = time.process_time() - start_s
        interval = rotate(engine)
        check_accounts(interval, [written] * (1 + PASSES))
        interval.release()
    return used_s


def merging_s(engine: Engine, reader: Reader) -> float:
    """CPU seconds of the columns of an interval of names."""
    for start in range(0, NAMES, SERIES):
        names = range(start, start + SERIES)
        reader.feed(b"\n".join(b"bench.host-%d.requests.%d:1|c" % (i % 500, i) for i in names))
    interval = rotate(engine)
    start_s = time.process_time()
    points = len(interval.columns(plan_of((), ())))
    used_s = time.process_time() - start_s
    interval.release()
    if points != NAMES:
        raise RuntimeError(f"{NAMES} points expected, {points} came")
    return used_s


def measure(rounds: int) -> Answer:
    """Answers it."""
    off: dict[str, list[float]] = defaultdict(list)
    on: dict[str, list[float]] = defaultdict(list)
    with TemporaryDirectory() as folder:
        lines = Path(folder, "lines")
        written = write_lines(Load(series=SERIES), lines, LINES)
        packed = {case.what: datagrams_of(lines, case) for case in CASES}
        for _ in range(rounds):
            for case in CASES:
                datagrams = packed[case.what]
                off[case.what].append(receiving_s(case, datagrams, written, is_on=False))
                on[case.what].append(receiving_s(case, datagrams, written, is_on=True))
            rewriter = MappingRewriter(parse_mapping(RULES)[0])
            with native_engine() as plain, native_engine(rewriter=rewriter) as mapped:
                readers = plain.open_reader("bench"), mapped.open_reader("bench")
                for when in ("first", "later"):
                    off[f"name_mapping, {when}"].append(merging_s(plain, readers[0]))
                    on[f"name_mapping, {when}"].append(merging_s(mapped, readers[1]))
    figures = [ratios(what, on[what], off[what], "× without") for what in on]
    figures += [
        Figure(f"{what}, without", "ns a line", tuple(1e9 * s / LINES / PASSES for s in off[what]))
        for what in packed
    ]
    figures += [
        Figure(what, "µs a name", tuple(1e6 * s / NAMES for s in on[what]))
        for what in on
        if what not in packed
    ]
    return Answer("What options cost", METHOD, tuple(figures))
