"""The normal form of tags: one rule for metrics, events and service checks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from veneurpy.engine.types import Scope

LONGEST_TAGS = 65_000
"""Bytes of the tags of a line: a line with more is rejected."""

_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_LOCAL_ONLY = b"veneurlocalonly"
_GLOBAL_ONLY = b"veneurglobalonly"
_SINK_ONLY = b"veneursinkonly"


class TagSet(NamedTuple):
    """What a line's tags say, once they are in their normal form."""

    tags: tuple[bytes, ...] = ()
    """Distinct, not empty, sorted bytewise, without the magic ones."""
    scope: Scope = Scope.MIXED
    sinks: frozenset[bytes] = frozenset()
    """The only sinks that are meant; none means all."""
    scope_conflict: bool = False
    """Both scopes were asked for; local won."""


def spell(tags: Iterable[bytes], scope: Scope, sinks: Iterable[bytes]) -> bytes:
    """One spelling of a series' tags: the plain ones, the scope's word, the sinks."""
    words = {Scope.MIXED: [], Scope.LOCAL: [_LOCAL_ONLY], Scope.GLOBAL: [_GLOBAL_ONLY]}[scope]
    named = [_SINK_ONLY + b":" + sink for sink in sorted(sinks)]
    return b",".join([*tags, *words, *named])


def counted_values(section: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(key, value) of each plain tag as sent; a tag without a colon is a value of the empty key."""
    for tag in section.split(b","):
        key, colon, value = tag.partition(b":")
        if tag and key not in (_LOCAL_ONLY, _GLOBAL_ONLY, _SINK_ONLY):
            yield (key, value) if colon else (b"", tag)


def counted_key(tag: bytes) -> bytes:
    """The key that `counted_values` has for a tag."""
    return key_of(tag) if b":" in tag else b""


def is_clean(text: bytes) -> bool:
    """Whether it is valid UTF-8 without control characters (U+0000-001F, U+007F)."""
    if _CONTROL.search(text):
        return False
    if text.isascii():
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def normalise(section: bytes) -> TagSet | None:
    """Reads what follows the `#` of a tag section; None if it is not clean.

    Magic tags match by key, the word alone or followed by a colon; they are removed wherever they
    stand.
    """
    if not is_clean(section):
        return None
    tags: set[bytes] = set()
    sinks: set[bytes] = set()
    local = False
    global_ = False
    for tag in section.split(b","):
        key, _, value = tag.partition(b":")
        if key == _LOCAL_ONLY:
            local = True
        elif key == _GLOBAL_ONLY:
            global_ = True
        elif key == _SINK_ONLY:
            sinks.update([value] if value else [])
        elif tag:
            tags.add(tag)
    scope = Scope.LOCAL if local else Scope.GLOBAL if global_ else Scope.MIXED
    return TagSet(tuple(sorted(tags)), scope, frozenset(sinks), local and global_)


class ImplicitTags:
    """The tags that the configuration gives to everything (`extend_tags`).

    One replaces every sent tag of equal key. They are taken as they are: magic words mean nothing
    here.
    """

    def __init__(self, extend_tags: Sequence[str]) -> None:
        self._tags = frozenset(tag.encode() for tag in extend_tags if tag)
        self._keys = frozenset(map(key_of, self._tags))

    def extend(self, tags: tuple[bytes, ...]) -> tuple[bytes, ...]:
        """The sorted tags with the implicit ones in their place."""
        if not self._tags:
            return tags
        kept = (tag for tag in tags if key_of(tag) not in self._keys)
        return tuple(sorted(self._tags.union(kept)))


def key_of(tag: bytes) -> bytes:
    """What is before the first colon, or all of it."""
    return tag.partition(b":")[0]
