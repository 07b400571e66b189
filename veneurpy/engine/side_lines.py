"""What an engine has to know of events and service checks, which it keeps as lines."""

from __future__ import annotations

import re

from veneurpy.engine.numerals import parse_integer

EVENT_PREFIX = b"_e{"
CHECK_PREFIX = b"_sc|"
PREFIXES = (EVENT_PREFIX, CHECK_PREFIX)

_EVENT_HEAD = re.compile(rb"_e\{([^,:|]*),([^:|]*)\}:")


def event_parts(line: bytes) -> tuple[bytes, bytes, int] | None:
    """(title, text, where the text ends), cut where the lengths say.

    None if the line disagrees with them, or goes on behind the text with anything but a field.
    """
    head = _EVENT_HEAD.match(line)
    if head is None:
        return None
    title_bytes, text_bytes = parse_integer(head[1]), parse_integer(head[2])
    if title_bytes is None or text_bytes is None or title_bytes < 1 or text_bytes < 0:
        return None
    text_start = head.end() + title_bytes + 1
    text_end = text_start + text_bytes
    if line[text_start - 1 : text_start] != b"|" or len(line) < text_end:
        return None
    if line[text_end : text_end + 1] not in (b"", b"|"):
        return None
    return line[head.end() : text_start - 1], line[text_start:text_end], text_end
