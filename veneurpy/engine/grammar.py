"""What a line may say beside DogStatsD, and how tags are found in a metric's name."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import NamedTuple


class NameTags(IntFlag):
    """Where tags may stand in a name. The bytes of a style that is not on are part of the name."""

    INFLUXDB = 1
    """`name,key=value,key=value`"""
    LIBRATO = 2
    """`name#key=value,key=value`"""
    SIGNALFX = 4
    """`name[key=value,key=value]`; what follows the bracket is a part of the name."""
    GRAPHITE = 8
    """`name;key=value;key=value`"""


NO_NAME_TAGS = NameTags(0)


@dataclass(frozen=True, slots=True)
class Grammar:
    """How one reader reads its lines."""

    name_tags: NameTags = NO_NAME_TAGS
    is_statsd: bool = False
    """Plain StatsD: a sign makes a gauge's value a change of the one before, gauges keep their
    values for `EngineOptions.gauge_ttl_s`, and `m` (a meter) is a counter."""


DOGSTATSD = Grammar()


class NameParts(NamedTuple):
    """What stands before the first colon of a line."""

    name: bytes
    tags: bytes = b""
    """As `|#` would have them: `key:value`, joined by commas, in the order in which they came."""
    bad: int = 0
    """Tags without a key or a value, which are left out; a single bracket counts as one."""
    is_mixed: bool = False
    """A second style that is on begins in it."""


_OPENERS = {b",": NameTags.INFLUXDB, b"#": NameTags.LIBRATO, b";": NameTags.GRAPHITE}


def part_name(text: bytes, styles: NameTags) -> NameParts:
    """Takes the tags off a name."""
    if NameTags.SIGNALFX in styles and (b"[" in text or b"]" in text):
        return _part_brackets(text, styles)
    found = [(at, opener) for opener in _on(styles) if (at := text.find(opener)) >= 0]
    if not found:
        return NameParts(text)
    at, opener = min(found)
    section = text[at + 1 :]
    separator = b";" if opener == b";" else b","
    others = [other for other in _on(styles) if other not in (opener, separator)]
    return _with_tags(text[:at], section, separator, _has_any(section, others))


def _part_brackets(text: bytes, styles: NameTags) -> NameParts:
    start, end = text.find(b"["), text.find(b"]")
    if not 0 <= start < end:
        return NameParts(text, bad=1)
    name, section = text[:start] + text[end + 1 :], text[start + 1 : end]
    others = [other for other in _on(styles) if other != b","]
    is_mixed = _has_any(name, _on(styles)) or _has_any(section, others)
    return _with_tags(name, section, b",", is_mixed)


def _with_tags(name: bytes, section: bytes, separator: bytes, is_mixed: bool) -> NameParts:
    slots = [slot for slot in section.split(separator) if slot]
    tags = [tag for slot in slots if (tag := _tag(slot))]
    return NameParts(name, b",".join(tags), len(slots) - len(tags), is_mixed)


def _tag(slot: bytes) -> bytes:
    """Empty where the slot is no tag: a tag with a comma could not be told from two."""
    key, _, value = slot.partition(b"=")
    return b"" if not key or not value or b"," in slot else key + b":" + value


def _on(styles: NameTags) -> list[bytes]:
    return [opener for opener, style in _OPENERS.items() if style in styles]


def _has_any(text: bytes, openers: list[bytes]) -> bool:
    return any(opener in text for opener in openers)
