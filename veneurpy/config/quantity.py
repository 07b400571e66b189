"""Durations and sizes as people write them: `1m30s`, `64MiB`."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from veneurpy.config.called import Called
from veneurpy.config.wrong import Wrong, shown

_UNIT_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600}
_UNIT_BYTES = {"": 1, "b": 1} | {
    f"{prefix}{suffix}": int(base**power)
    for power, prefix in enumerate("kmgt", start=1)
    for suffix, base in (("", 1000), ("b", 1000), ("ib", 1024))
}
_LONGEST_S = (1 << 63) / 1e9  # as in Go, where it is an int64 of nanoseconds
_DURATION_PART = re.compile(r"(\d+\.?\d*|\.\d+)([a-zµμ]*)")
_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,15})?)\s*([a-zA-Z]*)")


def parse_duration(value: object) -> float:
    """Seconds of a Go duration string (`10s`, `1m30s`, `100ms`, `1.5h`). Raises Wrong."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise Wrong(f'expected a duration with its unit, found {shown(value)}: write "{value}s"')
    if not isinstance(value, str):
        raise Wrong(f'expected a duration such as "10s", found {shown(value)}')
    if value == "0":
        return 0.0
    if value.startswith("-"):
        raise Wrong(f"expected a duration that is not negative, found {shown(value)}")
    return _sum_of_parts(value)


def _sum_of_parts(text: str) -> float:
    total_s, end = 0.0, 0
    while end < len(text):
        part = _DURATION_PART.match(text, end)
        if part is None:
            break
        number, unit = part.groups()
        if not unit:
            raise Wrong(f'the unit is missing in the duration "{text}"', f"{text}s")
        if unit not in _UNIT_S:
            known = "ns, us, ms, s, m and h"
            raise Wrong(f'unknown unit "{unit}" in the duration "{text}": the units are {known}')
        total_s += float(number) * _UNIT_S[unit]
        end = part.end()
    if total_s > _LONGEST_S:
        raise Wrong(f"a duration is at most 292 years, found {shown(text)}")
    if not text or end < len(text):
        raise Wrong(f'expected a duration such as "10s", "1m30s" or "100ms", found {shown(text)}')
    return total_s


def format_duration(seconds: float) -> str:
    """The shortest Go duration that `parse_duration` reads back, in at most two units."""
    if seconds and seconds < 1:
        for unit, scale in (("ms", 1e3), ("us", 1e6)):
            if (count := round(seconds * scale, 6)) >= 1:
                return f"{count:g}{unit}"
        return f"{seconds * 1e9:g}ns"
    parts = []
    for unit, length in (("h", 3600), ("m", 60)):
        if seconds >= length:
            count, seconds = divmod(seconds, length)
            parts.append(f"{count:.0f}{unit}")
    if seconds or not parts:
        parts.append(f"{round(seconds, 6):.15g}s")
    return "".join(parts)


def parse_size(value: object) -> int:
    """Bytes of a whole number or of a size such as `64MiB` or `1GB`. Raises Wrong."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise Wrong(f'expected a size in bytes, or such as "64MiB" or "1GB", found {shown(value)}')
    number, unit = match[1], match[2]
    if unit.lower() not in _UNIT_BYTES:
        raise Wrong(f'unknown unit "{unit}" of a size: the units are KiB, MiB, GiB, kB, MB and GB')
    return round(float(number) * _UNIT_BYTES[unit.lower()])


def format_size(size_bytes: int) -> str:
    """The size in the largest binary unit that holds it exactly."""
    for unit, length in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if size_bytes and size_bytes % length == 0:
            return f"{size_bytes // length}{unit}"
    return str(size_bytes)


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    PlainSerializer(format_duration, when_used="json"),
    Called("duration"),
]
"""Seconds; written as a Go duration."""

OptionalDuration = Annotated[
    float | None,
    BeforeValidator(lambda value: None if value in ("", None) else parse_duration(value)),
    PlainSerializer(
        lambda value: "" if value is None else format_duration(value), when_used="json"
    ),
    Called("duration"),
]
"""Seconds, or None for an empty text."""

Size = Annotated[
    int,
    BeforeValidator(parse_size),
    PlainSerializer(format_size, when_used="json"),
    Called("size"),
]
"""Bytes; written as a whole number or with a unit."""
