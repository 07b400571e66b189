r"""Events and service checks: from the lines of the side log to what sinks take.

    event = "_e{" bytes of title "," bytes of text "}:" title "|" text { "|" field }
    check = "_sc|" name "|" ( "0" | "1" | "2" | "3" ) { "|" field }

What is accepted is what the Datadog Agent accepts: fields in any order; one that is unknown or
cannot be read is passed over; of the others the last of a kind wins. Lengths count the bytes as
sent, before "\n" becomes a newline.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from veneurpy.engine.numerals import parse_integer
from veneurpy.engine.side_lines import CHECK_PREFIX, event_parts
from veneurpy.engine.tags import ImplicitTags, is_clean, normalise
from veneurpy.model import Event, ServiceCheck

_STATUSES = (b"0", b"1", b"2", b"3")
_PRIORITIES = ("normal", "low")
_ALERT_TYPES = ("error", "warning", "info", "success")
_PREFIXES = (b"#", b"d:", b"h:", b"k:", b"p:", b"s:", b"t:", b"m:")

Fields = dict[bytes, list[bytes]]
Value = TypeVar("Value", str, int)


def parse_event(line: bytes, now_s: int, extend_tags: Sequence[str]) -> Event | None:
    """Reads one line that begins with `_e{`; None if it is to be rejected (`bad_event`).

    `now_s` is the event's time if it gives none that can be read.
    """
    parts = event_parts(line)
    if parts is None:
        return None
    raw_title, raw_text, text_end = parts
    fields = _fields(line[text_end:].split(b"|")[1:])
    title = _clean_text(raw_title)
    text = _text(raw_text)
    tags = _tags(fields, extend_tags)
    if not title or text is None or tags is None:
        return None
    return Event(
        title=title,
        text=text,
        timestamp_s=_last(fields, b"d:", parse_integer, now_s),
        tags=tags,
        host=_last(fields, b"h:", _clean_text, ""),
        aggregation_key=_last(fields, b"k:", _clean_text, ""),
        priority=_last(fields, b"p:", partial(_word, _PRIORITIES), "normal"),
        source_type=_last(fields, b"s:", _clean_text, ""),
        alert_type=_last(fields, b"t:", partial(_word, _ALERT_TYPES), "info"),
    )


def parse_check(line: bytes, now_s: int, extend_tags: Sequence[str]) -> ServiceCheck | None:
    """Reads one line that begins with `_sc|`; None if it is to be rejected (`bad_check`).

    `now_s` is the check's time if it gives none that can be read.
    """
    raw_name, *rest = line.removeprefix(CHECK_PREFIX).split(b"|")
    if not rest or rest[0] not in _STATUSES:
        return None
    fields = _fields(rest[1:])
    name = _clean_text(raw_name)
    tags = _tags(fields, extend_tags)
    if not name or tags is None:
        return None
    return ServiceCheck(
        name=name,
        status=int(rest[0]),
        timestamp_s=_last(fields, b"d:", parse_integer, now_s),
        tags=tags,
        host=_last(fields, b"h:", _clean_text, ""),
        # Official clients escape "m:" within the message, too.
        message=_last(fields, b"m:", _text, "").replace("m\\:", "m:"),
    )


def _fields(sections: Sequence[bytes]) -> Fields:
    """The known ones by their prefix, in order."""
    fields: Fields = {}
    for section in sections:
        for prefix in _PREFIXES:
            if section.startswith(prefix):
                fields.setdefault(prefix, []).append(section.removeprefix(prefix))
    return fields


def _last(
    fields: Fields, prefix: bytes, read: Callable[[bytes], Value | None], default: Value
) -> Value:
    """The last field of a kind that can be read."""
    values = (read(raw) for raw in reversed(fields.get(prefix, [])))
    return next((value for value in values if value is not None), default)


def _tags(fields: Fields, extend_tags: Sequence[str]) -> tuple[str, ...] | None:
    sections = fields.get(b"#", [b""])
    tags = normalise(sections[-1])
    if tags is None:
        return None
    return tuple(tag.decode() for tag in ImplicitTags(extend_tags).extend(tags.tags))


def _word(words: Sequence[str], raw: bytes) -> str | None:
    word = _clean_text(raw)
    return word if word in words else None


def _clean_text(raw: bytes) -> str | None:
    return raw.decode() if is_clean(raw) else None


def _text(raw: bytes) -> str | None:
    r"""Running text: control characters are its own affair, and `\n` stands for a newline."""
    try:
        return raw.decode().replace("\\n", "\n")
    except UnicodeDecodeError:
        return None
