"""Points as DogStatsD lines, packed in datagrams.

    name:value|c|#tag,tag|T1700000000

Counters are `c`, all else is `g`. Bytes that would end a field early are "_".
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import NamedTuple

from veneurpy.engine.text import point_text
from veneurpy.model import PointType
from veneurpy.ports import FlushBatch
from veneurpy.sinks._amended import added_values
from veneurpy.sinks._rows import number

ROWS_A_PIECE = 10_000

_CONTROLS = [*range(0x20), 0x7F]
_IN_NAMES = dict.fromkeys([*_CONTROLS, ord("|"), ord(":")], "_")
_IN_TAGS = dict.fromkeys([*_CONTROLS, ord("|")], "_")


class Packed(NamedTuple):
    """Some lines of a batch."""

    text: bytes
    """Whole lines, each with its line break."""
    ends: memoryview
    """Where each datagram ends in the text, behind the line break of its last line."""
    lines: memoryview
    """How many lines each datagram has."""
    refused: int
    """Rows that are longer than a datagram may be."""

    def datagrams(self) -> Iterator[tuple[memoryview, int]]:
        """Each datagram, without the line break at its end, and how many lines it has."""
        view, start = memoryview(self.text), 0
        for end, lines in zip(self.ends, self.lines, strict=True):
            yield view[start : end - 1], lines
            start = end


def packed(batch: FlushBatch, *, most_bytes: int, with_times: bool) -> Iterator[Packed]:
    """The batch piece by piece: fit for a thread. Amended counters are what they grew by.

    With `with_times`, points with a time of their own have it as `T`.
    """
    text = point_text(batch.columns, batch.rows, added_values(batch))
    if text is None:
        yield from python_packed(batch, most_bytes=most_bytes, with_times=with_times)
        return
    start_ms = batch.start_ms if with_times else None
    for start in range(0, len(text), ROWS_A_PIECE):
        stop = start + ROWS_A_PIECE
        yield Packed(*text.statsd(start, stop, most_bytes=most_bytes, start_ms=start_ms))


def python_packed(batch: FlushBatch, *, most_bytes: int, with_times: bool) -> Iterator[Packed]:
    """`packed` where the native modules are not built."""
    rows = range(len(batch.columns)) if batch.rows is None else batch.rows
    for start in range(0, len(rows), ROWS_A_PIECE):
        lines = [_line(batch, row, with_times) for row in rows[start : start + ROWS_A_PIECE]]
        fitting = [line for line in lines if len(line) - 1 <= most_bytes]
        yield _pack(fitting, most_bytes, len(lines) - len(fitting))


def _pack(lines: list[bytes], most_bytes: int, refused: int) -> Packed:
    ends, counts, start, end = array("I"), array("I"), 0, 0
    for line in lines:
        if not ends or end + len(line) - 1 - start > most_bytes:
            ends.append(end)
            counts.append(0)
            start = end
        end += len(line)
        ends[-1] = end
        counts[-1] += 1
    return Packed(b"".join(lines), memoryview(ends), memoryview(counts), refused)


def _line(batch: FlushBatch, row: int, with_times: bool) -> bytes:
    columns = batch.columns
    name = columns.names[columns.name[row]].translate(_IN_NAMES)
    tags = columns.tags[columns.tag[row]].translate(_IN_TAGS)
    value = number(columns.value[row] - batch.before.get(row, 0.0))
    kind = "c" if columns.type[row] == PointType.COUNTER else "g"
    tag_field = f"|#{tags}" if tags else ""
    time = f"|T{columns.timestamp_ms[row] // 1000}" if with_times and _is_timed(batch, row) else ""
    return f"{name}:{value}|{kind}{tag_field}{time}\n".encode()


def _is_timed(batch: FlushBatch, row: int) -> bool:
    columns = batch.columns
    if columns.own_time is None:
        return bool(columns.timestamp_ms[row] != batch.start_ms)
    return bool(columns.own_time[row])
