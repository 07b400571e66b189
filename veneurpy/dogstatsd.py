r"""DogStatsD lines, as a client writes them. Pure functions: nothing is sent and no clock is read.

    name:value|type|#tag,tag                               a metric
    _e{5,4}:title|text|d:time|h:host|k:key|p:priority|s:source|t:alert|#tag,tag
    _sc|name|status|d:time|h:host|#tag,tag|m:message       a service check

A field that is not given is not written; what is written stands in this order. Whatever would end
its field early is refused with a ValueError, since the receiver would read something else. Bytes
that are not UTF-8 are surrogate escapes, as in `sys.argv`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

METRIC_TYPES = {"counter": "c", "gauge": "g", "timing": "ms", "histogram": "h", "set": "s"}
"""The wire's word for each type."""


def metric(kind: str, name: str, value: float | str, tags: Iterable[str] = ()) -> str:
    """One sample. `kind` is a key of METRIC_TYPES; a set's value is its member.

    A timing's value is in milliseconds.
    """
    if not name:
        raise ValueError("a metric needs a name")
    _refuse("metric name", name, ":|")
    text = value if isinstance(value, str) else number(value)
    if not text:
        raise ValueError("a set member cannot be empty")
    if "|" in text or "\n" in text:
        raise ValueError(f"a set member cannot contain a pipe or a line break: {text!r}")
    return f"{name}:{text}|{METRIC_TYPES[kind]}" + _tag_field(tags)


def event(
    title: str,
    text: str,
    *,
    timestamp_s: int | None = None,
    host: str | None = None,
    aggregation_key: str | None = None,
    priority: str | None = None,
    source_type: str | None = None,
    alert_type: str | None = None,
    tags: Iterable[str] = (),
) -> str:
    r"""An event. Line breaks in title and text travel as the two characters `\n`."""
    if not title:
        raise ValueError("an event needs a title")
    title, text = _escape_lines(title), _escape_lines(text)
    fields = {
        "d": timestamp_s,
        "h": host,
        "k": aggregation_key,
        "p": priority,
        "s": source_type,
        "t": alert_type,
    }
    lengths = ",".join(str(len(part.encode("utf-8", "surrogateescape"))) for part in (title, text))
    return f"_e{{{lengths}}}:{title}|{text}" + _fields(fields) + _tag_field(tags)


def service_check(
    name: str,
    status: int,
    *,
    timestamp_s: int | None = None,
    host: str | None = None,
    message: str | None = None,
    tags: Iterable[str] = (),
) -> str:
    r"""A service check. `status` is 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.

    Line breaks in the message travel as the two characters `\n`.
    """
    if not name:
        raise ValueError("a service check needs a name")
    _refuse("service check's name", name, "|")
    if status not in range(4):
        raise ValueError(f"a service check's status is 0 to 3, not {status}")
    line = f"_sc|{name}|{status}" + _fields({"d": timestamp_s, "h": host}) + _tag_field(tags)
    if message is None:
        return line
    return line + _fields({"m": _escape_lines(message).replace("m:", "m\\:")})


def number(value: float) -> str:
    """The shortest decimal text that reads back as the same double."""
    if not math.isfinite(value):
        raise ValueError(f"a value must be a finite number, not {value}")
    return repr(value).removesuffix(".0")


def _fields(fields: dict[str, int | str | None]) -> str:
    written = {key: str(value) for key, value in fields.items() if value is not None}
    for key, text in written.items():
        _refuse(f"field {key}:", text, "|")
    return "".join(f"|{key}:{text}" for key, text in written.items())


def _tag_field(tags: Iterable[str]) -> str:
    present = [tag for tag in tags if tag]
    for tag in present:
        _refuse("tag", tag, ",|")
    return "|#" + ",".join(present) if present else ""


def _escape_lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n")


def _refuse(what: str, text: str, delimiters: str) -> None:
    for character in text:
        if character in delimiters or character < " " or character == "\x7f":
            raise ValueError(f"a {what} cannot contain {character!r}: {text!r}")
