"""Points as text for people: the parts that a table and plain lines share."""

from __future__ import annotations

import heapq
import math
import unicodedata
from dataclasses import replace
from datetime import UTC, datetime

from veneurpy.model import Event, Point, ServiceCheck
from veneurpy.ports import FlushBatch
from veneurpy.sinks._rows import number

_SIGNIFICANT_DIGITS = 6
_LEAST_DECIMALS = 2
_EXACT_INTEGERS = 1e15
_CHECK_STATUS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


def first_in_order(batch: FlushBatch, limit: int) -> FlushBatch:
    """The first `limit` rows by name, then tags. Walks all rows: fit for a thread."""
    columns = batch.columns

    def place(row: int) -> tuple[bytes, bytes]:
        return columns.names.raw(columns.name[row]), columns.tags.raw(columns.tag[row])

    rows = range(len(columns)) if batch.rows is None else batch.rows
    return replace(batch, rows=heapq.nsmallest(limit, rows, key=place))


def readable(value: float) -> str:
    """A number for people: thousands apart, six significant digits or more."""
    size = abs(value)
    if value.is_integer() and size < _EXACT_INTEGERS:
        return f"{int(value):,}"
    if not 1e-4 <= size < _EXACT_INTEGERS:
        return min(f"{value:.{_SIGNIFICANT_DIGITS}g}", repr(value), key=len)
    decimals = max(_LEAST_DECIMALS, _SIGNIFICANT_DIGITS - 1 - math.floor(math.log10(size)))
    return f"{value:,.{decimals}f}".rstrip("0").rstrip(".")


def utc(timestamp_ms: int, *, separator: str = "T") -> str:
    """ISO 8601 in UTC, with milliseconds only if there are any."""
    whole, rest = divmod(timestamp_ms, 1000)
    text = datetime.fromtimestamp(whole, UTC).strftime(f"%Y-%m-%d{separator}%H:%M:%S")
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def printable(text: str) -> str:
    """The text with everything escaped that could steer a terminal or break a line."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def cells(text: str) -> int:
    """How many columns of a terminal a printable text takes."""
    if text.isascii():
        return len(text)
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def fitted(text: str, width: int) -> str:
    """The text, padded or cut with an ellipsis to `width` columns."""
    if (spare := width - cells(text)) >= 0:
        return text + " " * spare
    text = text[:width]
    while cells(text) > width - 1:
        text = text[:-1]
    return f"{text}…" + " " * (width - 1 - cells(text))


def series(name: str, tags: tuple[str, ...]) -> str:
    """A name with its tags: `name{tag,tag}`, or the name alone."""
    return printable(f"{name}{{{','.join(tags)}}}" if tags else name)


def point_line(point: Point, time: str) -> str:
    """A point on a line: when, what, how much, of what type."""
    return f"{time} {series(point.name, point.tags)} {number(point.value)} {kind(point)}\n"


def event_line(event: Event) -> str:
    """An event on a line."""
    text = f": {printable(event.text)}" if event.text else ""
    what = series(event.title, event.tags)
    return f"{utc(event.timestamp_s * 1000)} {what} {event.alert_type} event{text}\n"


def check_line(check: ServiceCheck) -> str:
    """A service check on a line."""
    text = f": {printable(check.message)}" if check.message else ""
    what = series(check.name, check.tags)
    status = _CHECK_STATUS[check.status]
    return f"{utc(check.timestamp_s * 1000)} {what} {status} check{text}\n"


def kind(point: Point) -> str:
    """What a point is, as a word."""
    return point.type.name.lower()
