"""What the spool gives back is what was sent."""

from __future__ import annotations

from uuid import UUID

from veneurpy.flush.cursor import delivery_of
from veneurpy.ports import FlushBatch
from veneurpy.spool import Part, Record
from veneurpy.spool.codec import decode, encode
from veneurpy.testing import START_MS, batch


def told(batch: FlushBatch) -> tuple[object, ...]:
    """All that a sink can see of a batch."""
    return batch.start_ms, batch.interval_s, batch.revision, batch.before, list(batch.points())


def test_an_amended_batch_is_sent_again_as_it_was() -> None:
    """With its length, its revision, and what the revision before had."""
    columns = batch(("a", 1.0), ("b", 9.0)).columns
    parts = [Part([0], 10.0, 0), Part([1], 2.5, 3)]
    record = Record(UUID(int=1), START_MS, "web1", columns, parts, before={1: 7.0})
    first = delivery_of(record, "file", "localfile").batches
    again = delivery_of(decode(b"".join(encode(record))), "file", "localfile").batches
    assert [(10.0, 0), (2.5, 3)] == [(each.interval_s, each.revision) for each in again]
    assert {1: 7.0} == again[1].before
    assert [told(each) for each in first] == [told(each) for each in again]
