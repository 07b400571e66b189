"""Rows of text, made of columns without a Point in between: for sinks that write millions of them.

The fields, in this order, are `FIELDS`; JSON has them as keys, CSV and TSV as columns. What only
events and checks have follows: as further keys in JSON, elsewhere as one JSON object in the column
`extra`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Literal, Protocol, TypeAlias

from veneurpy.engine.text import PointText, point_text
from veneurpy.model import Event, PointType, Scope, ServiceCheck
from veneurpy.ports import POINTS_AT_ONCE, FlushBatch

RowFormat: TypeAlias = Literal["jsonl", "csv", "tsv"]

FIELDS = (
    "kind",
    "name",
    "tags",
    "type",
    "scope",
    "revision",
    "timestamp",
    "interval_s",
    "host",
    "value",
)
EXTRA = "extra"

_TYPES = {int(member): member.name.lower() for member in PointType}
_SCOPES = {int(member): member.name.lower() for member in Scope}
_EXACT_INTEGERS = 2.0**53
_CACHED_TEXTS = 10_000
_ROWS_A_PIECE = 10_000


def number(value: float) -> str:
    """The shortest text that reads back as the same float; integers without ".0"."""
    if value.is_integer() and abs(value) < _EXACT_INTEGERS:
        return str(int(value))
    return repr(value)


def seconds(timestamp_ms: int) -> str:
    """Unix seconds, with a fraction only if there is one."""
    whole, rest = divmod(timestamp_ms, 1000)
    return f"{whole}.{rest:03d}".rstrip("0") if rest else str(whole)


def header(row_format: RowFormat) -> bytes:
    """What a new file begins with: the names of the columns, or nothing."""
    return b"" if row_format == "jsonl" else _delimited([(*FIELDS, EXTRA)], row_format)


def row_starts(row_format: RowFormat) -> tuple[bytes, ...]:
    """What a line that is a row begins with. In CSV and TSV the text of an event may have lines."""
    return (b"{",) if row_format == "jsonl" else (b"point", b"event", b"check")


def point_rows(batch: FlushBatch, row_format: RowFormat) -> Iterator[bytes]:
    """The rows of a batch, in pieces of whole lines, each a moment's work: fit for a thread."""
    text = point_text(batch.columns, batch.rows)  # in the thread that asks for the first piece
    if text is None:
        yield from python_rows(batch, row_format)
    else:
        yield from _native_rows(batch, text, row_format)


def python_rows(batch: FlushBatch, row_format: RowFormat) -> Iterator[bytes]:
    """`point_rows` where the native modules are not built."""
    lines = _Lines(batch, _layout(batch, row_format))
    rows = iter(range(len(batch.columns)) if batch.rows is None else batch.rows)
    while chunk := list(islice(rows, POINTS_AT_ONCE)):
        yield "".join(map(lines.line, chunk)).encode()


def other_rows(
    events: Sequence[Event], checks: Sequence[ServiceCheck], row_format: RowFormat, host: str
) -> Iterator[bytes]:
    """The rows of events, then of checks, in pieces of whole lines.

    `host` stands in where none was sent.
    """
    rows = iter([*(_event(event, host) for event in events), *(_check(c, host) for c in checks)])
    while chunk := list(islice(rows, POINTS_AT_ONCE)):
        if row_format == "jsonl":
            yield "".join(f"{_json({**fields, **extra})}\n" for fields, extra in chunk).encode()
        else:
            yield _delimited((_flat(fields, extra) for fields, extra in chunk), row_format)


def _native_rows(batch: FlushBatch, text: PointText, row_format: RowFormat) -> Iterator[bytes]:
    around = _layout(batch, row_format).around()
    separator = {"jsonl": b"", "csv": b",", "tsv": b"\t"}[row_format]
    for start in range(0, len(text), _ROWS_A_PIECE):
        yield text.rows(start, start + _ROWS_A_PIECE, around=around, separator=separator)


def _layout(batch: FlushBatch, row_format: RowFormat) -> _Layout:
    return _JsonLayout(batch) if row_format == "jsonl" else _CellLayout(batch, row_format)


class _Layout(Protocol):
    """A row is: before, name, between, tags, rest, value, after."""

    before: str
    between: str
    after: str

    def name(self, name: str) -> str: ...
    def tags(self, joined: str) -> str: ...
    def rest(self, kind: str, scope: str, timestamp: str) -> str: ...

    def around(self) -> tuple[bytes, ...]:
        """The same apart: before the name, and behind name, tags, type, scope, time and value."""
        rest = self.rest("\0", "\0", "\0").split("\0")
        return tuple(each.encode() for each in (self.before, self.between, *rest, self.after))


class _JsonLayout(_Layout):
    before = '{"kind":"point","name":'
    between = ',"tags":'
    after = "}\n"

    def __init__(self, batch: FlushBatch) -> None:
        self._revision = batch.revision
        self._interval_host = f'"interval_s":{number(batch.interval_s)},"host":{_json(batch.host)}'

    def name(self, name: str) -> str:
        return _json(name)

    def tags(self, joined: str) -> str:
        return _json(joined.split(",") if joined else [])

    def rest(self, kind: str, scope: str, timestamp: str) -> str:
        return (
            f',"type":"{kind}","scope":"{scope}","revision":{self._revision},'
            f'"timestamp":{timestamp},{self._interval_host},"value":'
        )


class _CellLayout(_Layout):
    def __init__(self, batch: FlushBatch, row_format: RowFormat) -> None:
        self._format = row_format
        self._revision = batch.revision
        self._interval_s = number(batch.interval_s)
        self._host = self.name(batch.host)
        self.between = separator = "," if row_format == "csv" else "\t"
        self.before = f"point{separator}"
        self.after = f"{separator}\n"  # an empty `extra`

    def name(self, name: str) -> str:
        # A second cell, cut off again, since the csv module quotes an empty cell that is alone.
        return _delimited([(name, 0)], self._format)[:-3].decode()

    def tags(self, joined: str) -> str:
        return self.name(joined)

    def rest(self, kind: str, scope: str, timestamp: str) -> str:
        revision = str(self._revision)
        cells = ("", kind, scope, revision, timestamp, self._interval_s, self._host, "")
        return self.between.join(cells)


class _Lines:
    """One text line per row; texts that come again and again are made once, within bounds."""

    def __init__(self, batch: FlushBatch, layout: _Layout) -> None:
        self._columns = batch.columns
        self._layout = layout
        self._names: dict[int, str] = {}
        self._tags: dict[int, str] = {}
        self._rests: dict[tuple[int, int, int], str] = {}

    def line(self, row: int) -> str:
        columns, layout = self._columns, self._layout
        name, tag = columns.name[row], columns.tag[row]
        key = (columns.type[row], columns.scope[row], columns.timestamp_ms[row])
        if (name_text := self._names.get(name)) is None:
            name_text = self._new_name(name)
        if (tag_text := self._tags.get(tag)) is None:
            tag_text = self._new_tags(tag)
        if (rest := self._rests.get(key)) is None:
            rest = self._new_rest(key)
        value = number(columns.value[row])
        return f"{layout.before}{name_text}{layout.between}{tag_text}{rest}{value}{layout.after}"

    def _new_name(self, index: int) -> str:
        text = self._layout.name(self._columns.names[index])
        return _remember(self._names, index, text)

    def _new_tags(self, index: int) -> str:
        text = self._layout.tags(self._columns.tags[index])
        return _remember(self._tags, index, text)

    def _new_rest(self, key: tuple[int, int, int]) -> str:
        kind, scope, timestamp_ms = key
        text = self._layout.rest(_TYPES[kind], _SCOPES[scope], seconds(timestamp_ms))
        return _remember(self._rests, key, text)


def _remember(cache: dict[Any, str], key: object, text: str) -> str:
    if len(cache) >= _CACHED_TEXTS:
        cache.clear()
    cache[key] = text
    return text


def _event(event: Event, host: str) -> tuple[dict[str, Any], dict[str, Any]]:
    fields = _fields("event", event.title, event, host)
    extra = {
        "text": event.text,
        "aggregation_key": event.aggregation_key,
        "priority": event.priority,
        "source_type": event.source_type,
        "alert_type": event.alert_type,
    }
    return fields, extra


def _check(check: ServiceCheck, host: str) -> tuple[dict[str, Any], dict[str, Any]]:
    fields = _fields("check", check.name, check, host)
    fields |= {"type": "status", "value": check.status}
    return fields, {"message": check.message}


def _fields(kind: str, name: str, source: Event | ServiceCheck, host: str) -> dict[str, Any]:
    fields: dict[str, Any] = dict.fromkeys(FIELDS)
    tags = sorted(source.tags, key=str.encode)
    fields |= {"kind": kind, "name": name, "tags": tags, "revision": 0}
    return fields | {"timestamp": source.timestamp_s, "host": source.host or host}


def _flat(fields: dict[str, Any], extra: dict[str, Any]) -> list[Any]:
    return [*(fields | {"tags": ",".join(fields["tags"])}).values(), _json(extra)]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _delimited(rows: Iterable[Iterable[object]], row_format: RowFormat) -> bytes:
    out = io.StringIO()
    dialect = "excel" if row_format == "csv" else "excel-tab"
    csv.writer(out, dialect, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()
