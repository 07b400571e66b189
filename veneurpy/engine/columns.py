"""The points of a flush as columns: what both engines hand out and every sink is fed from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class StringTable:
    """Distinct UTF-8 strings: string i is `data[offsets[i]:offsets[i + 1]]`.

    `offsets` is a memoryview of u32 (format "I"), one longer than the table; `data` of bytes ("B").
    """

    offsets: memoryview
    data: memoryview

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def raw(self, index: int) -> bytes:
        """The bytes of one string."""
        return bytes(self.data[self.offsets[index] : self.offsets[index + 1]])

    def __getitem__(self, index: int) -> str:
        return self.raw(index).decode()

    def __iter__(self) -> Iterator[str]:
        return (self[i] for i in range(len(self)))


@dataclass(frozen=True, slots=True)
class Columns:
    """One row per point. All numeric columns are little-endian memoryviews of equal length.

    `names`, `tags`: what the rows' indices stand for; a tag set is sorted and joined by ",", the
    empty one is "". Equal names may have two indices.
    `sink_sets`: what a row's `sinks` stands for: the sinks that `veneursinkonly` named; 0 is all.
    The order of the rows is not promised. (The schema is `SCHEMA_VERSION`.)
    """

    names: StringTable
    tags: StringTable
    sink_sets: Sequence[frozenset[str]]
    name: memoryview  # u32 "I", index into names
    tag: memoryview  # u32 "I", index into tags
    type: memoryview  # u8 "B", PointType
    scope: memoryview  # u8 "B", Scope
    series_type: memoryview  # u8 "B", MetricType the point was made of
    sinks: memoryview  # u16 "H", index into sink_sets
    timestamp_ms: memoryview  # i64 "q", start of the point's interval, or its own T
    value: memoryview  # f64 "d"
    own_time: memoryview | None = None
    """u8 "B": 1 where `timestamp_ms` is the samples' own T, which may well be the interval's start.
    None: not told, and every other timestamp than the interval's start is taken for a T."""

    def __len__(self) -> int:
        return len(self.value)
