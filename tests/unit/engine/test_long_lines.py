"""Lines as long as a listener lets them be: what is too long for a series is refused, not cut."""

from __future__ import annotations

import pytest

from tests.engines import Datagram, Outcome, engine_kinds, run
from veneurpy.engine import Budget, EngineKind, EngineOptions, OriginTag, Plan, Process
from veneurpy.engine.tags import LONGEST_TAGS

LONGEST_LINE = 65_536


def _of(kind: EngineKind, lines: list[bytes], origin: bool = False) -> Outcome:
    """Of a name that may have one series."""
    options = EngineOptions(
        max_datagram_bytes=LONGEST_LINE + 1,
        budgets=(Budget(max_series=1),),
        origin_tags=(OriginTag.PID, OriginTag.UID) if origin else (),
    )
    datagrams = [Datagram(line) for line in lines]
    return run(kind, datagrams, Plan(), options, process=Process(1, 2))


@engine_kinds
@pytest.mark.parametrize("value", [b"1", b"x"], ids=["good value", "bad value"])
def test_longest_tags(kind: EngineKind, value: bytes) -> None:
    """One byte more is `bad_tags`, before anything is said of values."""
    lines = [b"a:%s|c|#%s" % (value, b"x" * (LONGEST_TAGS + more)) for more in (0, 1, 1)]
    outcome = _of(kind, lines)
    assert 2 == outcome.total.rejected["bad_tags"]
    assert [(LONGEST_TAGS, 1.0)] * (value == b"1") == [
        (len(row.tags[0]), row.value) for row in outcome.rows
    ]


@engine_kinds
def test_tags_of_origin_count(kind: EngineKind) -> None:
    """A line that its origin makes too long is refused like one that was sent so."""
    lines = [b"a:1|c|#" + b"x" * (LONGEST_TAGS - more) for more in (12, 11, 0)]
    outcome = _of(kind, lines, origin=True)
    assert (1, 2) == (outcome.total.accepted, outcome.total.rejected["bad_tags"])
    assert [("pid:1", "uid:2")] == [row.tags[:2] for row in outcome.rows]


@engine_kinds
def test_the_longest_tags_are_folded(kind: EngineKind) -> None:
    """The series that stands for those of a sink that found no room is one, with its sink."""
    sink = b"s" * (LONGEST_TAGS - len("veneursinkonly:,1"))
    tags = [b"%d,veneursinkonly:%s" % (number, sink) for number in range(4)]
    outcome = _of(kind, [b"a:1|c", *(b"a:1|c|#" + each for each in tags)])
    assert [(), ("veneurpy.folded:true",)] == [row.tags for row in outcome.rows]
    assert [1.0, 4.0] == [row.value for row in outcome.rows]
    assert (sink.decode(),) == outcome.rows[1].sinks


@engine_kinds
def test_the_longest_name(kind: EngineKind) -> None:
    """A name has no bound but its line's."""
    name = b"n" * (LONGEST_LINE - len(":1|c"))
    outcome = _of(kind, [name + b":1|c"] * 2)
    assert [(name.decode(), 2.0)] == [(row.name, row.value) for row in outcome.rows]
