"""A record as bytes and back."""

from __future__ import annotations

from array import array
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veneurpy.engine import Columns
from veneurpy.model import Event, ServiceCheck
from veneurpy.spool import Part, Record
from veneurpy.spool.codec import Unreadable, decode, encode
from veneurpy.testing import START_MS, batch

UUID_1 = UUID(int=1)
EVENT = Event("Deployed", "v2\nof äpp", 1, ("env:prod",), alert_type="error")
CHECK = ServiceCheck("db.up", 2, 1, ("db:main",), "db-1", "no answer")


def record(columns: Columns, *parts: Part) -> Record:
    return Record(UUID_1, START_MS, "wëb", columns, parts, [EVENT], [CHECK])


def plain(columns: Columns) -> list[object]:
    """All that columns are, by value."""
    numbers = [columns.name, columns.tag, columns.type, columns.scope, columns.series_type]
    numbers += [columns.sinks, columns.timestamp_ms]
    own = None if columns.own_time is None else columns.own_time.tolist()
    texts = [list(columns.names), list(columns.tags), list(columns.sink_sets), own]
    return [*texts, *(column.tolist() for column in numbers), columns.value.tobytes()]


NAMES = st.text(min_size=1, max_size=8)
BEFORE = st.dictionaries(st.integers(0, 2**32 - 1), st.floats(allow_nan=False), max_size=4)
ROWS = st.lists(
    st.tuples(NAMES, st.floats(allow_nan=False), st.sampled_from(["gauge", "counter"]), NAMES)
)


@given(ROWS, st.booleans(), BEFORE)
def test_a_record_comes_back_as_it_was(
    rows: list[tuple[str, float, str, str]], own_time: bool, before: dict[int, float]
) -> None:
    """Every column bit by bit, whatever its length; parts, sums, events and checks too."""
    columns = batch(*rows).columns
    columns = replace(columns, sink_sets=(frozenset(), frozenset({"a", "b"})))
    if own_time:
        columns = replace(columns, own_time=memoryview(array("B", [1] * len(rows))))
    parts = [Part(range(len(rows)), 10.0, 0), Part(None, 1.0, 3), Part([], 2.5, 1)]
    again = decode(b"".join(encode(replace(record(columns, *parts), before=before))))
    assert before == again.before
    assert plain(columns) == plain(again.columns)
    assert (UUID_1, START_MS, "wëb") == (again.uuid, again.start_ms, again.host)
    assert ([EVENT], [CHECK]) == (again.events, again.checks)
    assert [(10.0, 0), (1.0, 3), (2.5, 1)] == [(p.length_s, p.revision) for p in again.parts]
    assert [list(range(len(rows))), None, []] == [
        None if part.rows is None else list(part.rows) for part in again.parts
    ]


def test_columns_lie_where_they_can_be_used() -> None:
    """Every column of numbers begins at a multiple of eight."""
    blob = b"".join(encode(record(batch(("a", 1.0), ("bc", 2.0, "gauge", "x:1")).columns)))
    whole = memoryview(blob)
    again = decode(blob).columns
    for column in (again.name, again.timestamp_ms, again.value, again.names.offsets):
        assert column.obj is whole.obj
    raw = again.value.cast("B")
    assert blob.index(bytes(raw)) % 8 == 0


@pytest.mark.parametrize("at", range(0, 400, 7))
def test_damage_is_seen(at: int) -> None:
    """A byte that differs anywhere makes the record unreadable."""
    blob = bytearray().join(encode(record(batch(("a", 1.0)).columns, Part(None, 10.0, 0))))
    blob[at % len(blob)] ^= 0x10
    with pytest.raises(Unreadable):
        decode(bytes(blob))


@pytest.mark.parametrize("size", [0, 3, 12, 200])
def test_a_cut_is_seen(size: int) -> None:
    """So does a missing end."""
    blob = b"".join(encode(record(batch(("a", 1.0)).columns, Part(None, 10.0, 0))))
    with pytest.raises(Unreadable):
        decode(blob[:size])
