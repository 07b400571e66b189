"""A record as bytes: a head in JSON, then the columns as they lie in memory, little-endian.

    "VSP" schema  crc32(rest)  length(head)  head  padding  { column  padding }

Every column begins at a multiple of 8, so that it can be used where it lies.
"""

from __future__ import annotations

import json
import struct
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any
from uuid import UUID

from veneurpy.engine import SCHEMA_VERSION, Columns, StringTable
from veneurpy.engine.earlier import RowValues
from veneurpy.model import Event, ServiceCheck
from veneurpy.spool.record import Part, Record

_HEAD = struct.Struct("<3sBII")
_MAGIC = b"VSP"
_ALIGNMENT = 8
_COLUMNS = (
    ("name", "I"),
    ("tag", "I"),
    ("type", "B"),
    ("scope", "B"),
    ("series_type", "B"),
    ("sinks", "H"),
    ("timestamp_ms", "q"),
    ("value", "d"),
)


class Unreadable(ValueError):
    """The bytes are not what `encode` made, or another version did."""


def encode(record: Record) -> list[bytes | memoryview]:
    """The record as the pieces of one blob, which are the columns themselves.

    They are not joined: a copy of all of them would stop every other thread for as long.
    """
    buffers = [*_buffers(record.columns), *_rows(record.parts), *_pairs(record.before)]
    head = json.dumps(_head_of(record, [(view.format, len(view)) for view in buffers])).encode()
    pieces: list[bytes | memoryview] = [head, _padding(_HEAD.size + len(head))]
    for view in buffers:
        pieces += [view.cast("B") if view.format != "B" else view, _padding(view.nbytes)]
    crc = 0
    for piece in pieces:
        crc = zlib.crc32(piece, crc)
    return [_HEAD.pack(_MAGIC, SCHEMA_VERSION, crc, len(head)), *pieces]


def decode(blob: bytes | bytearray) -> Record:
    """The record of a blob; its columns are views of it. Raises Unreadable."""
    view = memoryview(blob).toreadonly()
    try:
        magic, version, crc, head_bytes = _HEAD.unpack_from(view)
        if (magic, version) != (_MAGIC, SCHEMA_VERSION):
            raise Unreadable(f"version {version} of a record is not known")
        if zlib.crc32(view[_HEAD.size :]) != crc:
            raise Unreadable("the checksum of a record is wrong")
        head = json.loads(bytes(view[_HEAD.size : _HEAD.size + head_bytes]))
        return _record(head, _views(view, _HEAD.size + head_bytes, head["buffers"]))
    except (struct.error, KeyError, TypeError, IndexError, StopIteration) as exc:
        raise Unreadable("a record is cut short or malformed") from exc


def _head_of(record: Record, buffers: Sequence[tuple[str, int]]) -> dict[str, Any]:
    return {
        "uuid": record.uuid.hex,
        "start_ms": record.start_ms,
        "host": record.host,
        "sink_sets": [sorted(names) for names in record.columns.sink_sets],
        "own_time": record.columns.own_time is not None,
        "parts": [[part.length_s, part.revision, part.rows is None] for part in record.parts],
        "events": [asdict(event) for event in record.events],
        "checks": [asdict(check) for check in record.checks],
        "buffers": buffers,
    }


def _buffers(columns: Columns) -> Iterator[memoryview]:
    for table in (columns.names, columns.tags):
        yield table.offsets
        yield table.data
    for name, _ in _COLUMNS:
        yield getattr(columns, name)
    if columns.own_time is not None:
        yield columns.own_time


def _rows(parts: Sequence[Part]) -> Iterator[memoryview]:
    for part in parts:
        if part.rows is not None:
            yield memoryview(array("I", part.rows))


def _pairs(before: Mapping[int, float]) -> Iterator[memoryview]:
    pairs = RowValues.of(before)
    yield pairs.numbers
    yield pairs.values_of


def _views(view: memoryview, at: int, buffers: Sequence[tuple[str, int]]) -> Iterator[memoryview]:
    for format_, count in buffers:
        at += -at % _ALIGNMENT
        end = at + count * struct.calcsize(format_)
        # mypy knows the formats as literals only.
        yield view[at:end].cast(format_) if count else memoryview(array(format_))  # type: ignore[call-overload]
        at = end


def _record(head: dict[str, Any], views: Iterator[memoryview]) -> Record:
    names = StringTable(next(views), next(views))
    tags = StringTable(next(views), next(views))
    numbers = {name: next(views) for name, _ in _COLUMNS}
    columns = Columns(
        names=names,
        tags=tags,
        sink_sets=tuple(frozenset(names) for names in head["sink_sets"]),
        own_time=next(views) if head["own_time"] else None,
        **numbers,
    )
    parts = [
        Part(None if is_all else next(views), length_s, revision)
        for length_s, revision, is_all in head["parts"]
    ]
    return Record(
        UUID(head["uuid"]),
        head["start_ms"],
        head["host"],
        columns,
        parts,
        [Event(**_with_tags(event)) for event in head["events"]],
        [ServiceCheck(**_with_tags(check)) for check in head["checks"]],
        RowValues(next(views), next(views)),
    )


def _with_tags(fields: dict[str, Any]) -> dict[str, Any]:
    return fields | {"tags": tuple(fields["tags"])}


def _padding(size: int) -> bytes:
    return bytes(-size % _ALIGNMENT)
