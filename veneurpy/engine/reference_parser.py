"""One line in, what it says or the reason why it is refused out. Knows neither time nor store.

name ":" value { ":" value } "|" type { "|" field }
field = "@" rate | "#" tag { "," tag } | "T" unix seconds | "c:" … | "e:" … | "card:" …

With some grammars tags may stand in the name as well (grammar.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from veneurpy.engine.grammar import DOGSTATSD, Grammar, part_name
from veneurpy.engine.numerals import parse_float, parse_integer
from veneurpy.engine.tags import LONGEST_TAGS, TagSet, is_clean, normalise
from veneurpy.engine.types import MetricType

MAX_VALUE = 1e290
"""No |v| and no |v/r| lies beyond it, so that no sum can overflow."""
MAX_WEIGHT = 1e18
"""No 1/r lies beyond it."""
NOT_A_TIMESTAMP = 0
"""Stands for a `T` that cannot be read: like every T below 1 it is passed over and counted."""

_METER = b"m"
_SIGNS = (b"+", b"-")
_TYPES = {
    b"c": MetricType.COUNTER,
    b"g": MetricType.GAUGE,
    b"h": MetricType.HISTOGRAM,
    b"d": MetricType.HISTOGRAM,
    b"ms": MetricType.TIMER,
    b"s": MetricType.SET,
}
_WEIGHTED = frozenset({MetricType.COUNTER, MetricType.HISTOGRAM, MetricType.TIMER})
_KNOWN_FIELDS = (b"c:", b"e:", b"card:")
_SPELLINGS_KEPT = 4096
"""Tag sections whose normal form is remembered: clients send the same ones all the time."""


class MetricLine(NamedTuple):
    """What one accepted line says."""

    name: bytes
    type: MetricType
    values: tuple[float, ...]
    """The good ones, never none; of a set none at all."""
    changes: tuple[bool, ...]
    """Which of the values are changes of the gauge's value before; empty: none."""
    member: bytes
    """What a set is to hold, as it was sent."""
    bad_values: int
    rate: float
    tags: TagSet
    timestamp_s: int | None
    """The last `T`, NOT_A_TIMESTAMP if it cannot be read, None if there is none."""
    unknown_fields: int
    bad_name_tags: int
    spelling: bytes
    """The tags as sent."""


class Fields(NamedTuple):
    """What stands behind the type."""

    rates: list[bytes]
    tags: bytes
    timestamp: bytes | None
    unknown: int


class LineParser:
    """Reads metric lines. Holds nothing but a memory of tag sections."""

    def __init__(self, grammar: Grammar = DOGSTATSD) -> None:
        self._name_tags = grammar.name_tags
        self._is_statsd = grammar.is_statsd
        self._types = _TYPES | ({_METER: MetricType.COUNTER} if grammar.is_statsd else {})
        self._normalise: Callable[[bytes], TagSet | None] = lru_cache(_SPELLINGS_KEPT)(normalise)

    def parse(self, line: bytes) -> MetricLine | str:
        """What the line says, or the first of `LINE_REASONS` that holds against it."""
        head, pipe, rest = line.partition(b"|")
        name, colon, text = head.partition(b":")
        if not (pipe and colon):
            return "no_colon_or_pipe"
        parts = part_name(name, self._name_tags)
        name = parts.name
        if not name or not is_clean(name):
            return "bad_name"
        word, *sections = rest.split(b"|")
        type_ = self._types.get(word)
        if type_ is None:
            return "bad_type"
        fields = _sort_out(sections)
        rate = _rate(fields.rates)
        if rate is None:
            return "bad_rate"
        if parts.is_mixed or (parts.tags and fields.tags):
            return "mixed_tagging_styles"
        spelling = parts.tags or fields.tags
        tags = self._normalise(spelling) if len(spelling) <= LONGEST_TAGS else None
        if tags is None:
            return "bad_tags"
        has_changes = self._is_statsd and type_ is MetricType.GAUGE
        values, changes, bad_values, member = _values(type_, text, rate, has_changes)
        if not values and not member:
            return "bad_value"
        timestamp = None if fields.timestamp is None else _timestamp(fields.timestamp)
        return MetricLine(
            name,
            type_,
            values,
            changes,
            member,
            bad_values,
            rate,
            tags,
            timestamp,
            fields.unknown,
            parts.bad,
            spelling,
        )


def _sort_out(sections: list[bytes]) -> Fields:
    rates: list[bytes] = []
    tags = b""
    timestamp: bytes | None = None
    unknown = 0
    for section in sections:
        kind = section[:1]
        if kind == b"@":
            rates.append(section[1:])
        elif kind == b"#":
            tags = section[1:]
        elif kind == b"T":
            timestamp = section[1:]
        elif not section.startswith(_KNOWN_FIELDS):
            unknown += 1
    return Fields(rates, tags, timestamp, unknown)


def _rate(texts: list[bytes]) -> float | None:
    """The last of the rates, 1 if there is none, None if any of them is bad."""
    rate = 1.0
    for text in texts:
        number = parse_float(text)
        if number is None or not 0 < number <= 1 or 1 / number > MAX_WEIGHT:
            return None
        rate = number
    return rate


def _values(
    type_: MetricType, text: bytes, rate: float, has_changes: bool
) -> tuple[tuple[float, ...], tuple[bool, ...], int, bytes]:
    """(good values, which are changes, number of bad ones, set member)."""
    if type_ is MetricType.SET:
        return (), (), 0, text
    divisor = rate if type_ in _WEIGHTED else 1.0
    slots = [slot for slot in text.split(b":") if slot]
    numbers = [(parse_float(slot), slot.startswith(_SIGNS)) for slot in slots]
    good = [(v, sign) for v, sign in numbers if v is not None and abs(v) / divisor <= MAX_VALUE]
    changes = tuple(sign for _, sign in good) if has_changes else ()
    return tuple(v for v, _ in good), changes, len(slots) - len(good), b""


def _timestamp(text: bytes) -> int:
    seconds = parse_integer(text)
    return NOT_A_TIMESTAMP if seconds is None else seconds
