"""Patterns of single tags, as they were sent."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import IntEnum
from functools import cache
from typing import NamedTuple

from veneurpy.engine.tags import key_of


class TagMatch(IntEnum):
    """How the text of a pattern is compared."""

    GLOB = 0
    """With the tag, or where the text has no colon with its key. `*` is any text, or none."""
    EXACT = 1
    PREFIX = 2
    REGEX = 3
    """Found anywhere in the tag, in Python's syntax."""


class TagPattern(NamedTuple):
    """Which tags are meant."""

    match: TagMatch
    text: bytes

    def fits(self, tag: bytes) -> bool:
        """Whether the tag is meant."""
        match self.match:
            case TagMatch.GLOB:
                return _fits_glob(self.text, tag)
            case TagMatch.EXACT:
                return tag == self.text
            case TagMatch.PREFIX:
                return tag.startswith(self.text)
            case TagMatch.REGEX:
                return _compiled(self.text).search(tag.decode()) is not None


Condition = tuple[TagPattern, ...]
"""Holds for a series that was sent with a tag for each of the patterns."""


def holds(condition: Condition, sent: Iterable[bytes]) -> bool:
    """Whether a condition holds for a series that was sent with these tags."""
    return all(any(pattern.fits(tag) for tag in sent) for pattern in condition)


@cache
def _compiled(text: bytes) -> re.Pattern[str]:
    return re.compile(text.decode())


def _fits_glob(pattern: bytes, tag: bytes) -> bool:
    first, *others = pattern.split(b"*")
    text = tag if b":" in pattern else key_of(tag)
    if not others:
        return text == first
    *inner, last = others
    if not text.startswith(first) or len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    position, end = len(first), len(text) - len(last)
    for piece in inner:
        found = text.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True
