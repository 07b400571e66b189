"""Regular expressions in the syntax of RE2 and Go, written anew for Python: they match the same.

What Python has and Go has not is a mistake, as it is there. What Go has and Python cannot say
exactly, is one as well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from veneurpy.rules import characters
from veneurpy.rules.characters import Range
from veneurpy.rules.escapes import NotRe2, escaped

__all__ = ["NotRe2", "as_python"]

_MOST_REPEATS = 1000
_GROUP = re.compile(r"\?P?<([^>]*)>|\?([imsU]*)(?:-([imsU]+))?([:)])")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_REPEAT = re.compile(r"[*+?]|\{(0|[1-9][0-9]*)(?:(,)(0|[1-9][0-9]*)?)?\}")
_NAMED_CLASS = re.compile(r"\[:(\^?)(.*?):\]", re.DOTALL)
_ASSERTIONS = {"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?!(?a:\b))"}


class _Flags(NamedTuple):
    """Which of the letters hold."""

    i: bool = False
    m: bool = False
    s: bool = False
    U: bool = False


@dataclass(slots=True)
class _Group:
    """One that is open."""

    begin: int
    outer_flags: _Flags
    is_empty: list[bool] = field(default_factory=list)
    """Of what stands in the branch that is read, whether it may match nothing."""
    has_empty_branch: bool = False
    """Whether one of the branches before may match nothing."""

    @property
    def may_be_empty(self) -> bool:
        return self.has_empty_branch or all(self.is_empty)


def as_python(pattern: str) -> str:
    """The pattern in Python's syntax. Raises NotRe2."""
    return _Reader(pattern).read()


class _Reader:
    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0
        self._flags = _Flags()
        self._open = [_Group(0, self._flags)]
        self._names: set[str] = set()
        self._out: list[str] = []
        self._is_repeatable = False
        """Whether what is last in `_out` can be repeated."""

    def read(self) -> str:
        while self._at < len(self._text):
            self._item(self._text[self._at])
        if len(self._open) > 1:
            raise NotRe2("this ( is never closed", self._open[-1].begin)
        return "".join(self._out)

    def _item(self, character: str) -> None:
        if character == "(":
            self._open_group()
        elif character == ")":
            self._close_group()
        elif character == "|":
            self._open[-1].has_empty_branch = self._open[-1].may_be_empty
            self._open[-1].is_empty = []
            self._put_mark("|", 1)
        elif (repeat := _REPEAT.match(self._text, self._at)) is not None:
            self._repeat(repeat)
        elif character == "[":
            self._class()
        elif character == "\\":
            self._escape()
        elif character == ".":
            self._put("(?s:.)" if self._flags.s else ".", 1)
        elif character == "^":
            self._put("(?m:^)" if self._flags.m else r"(?:\A)", 1, is_empty=True)
        elif character == "$":
            self._put("(?m:$)" if self._flags.m else r"(?:\Z)", 1, is_empty=True)
        else:
            self._put_literal(character, 1)

    def _put(self, python: str, length: int, *, is_empty: bool = False) -> None:
        """What can be repeated. `is_empty`: it may match nothing."""
        self._put_mark(python, length)
        self._open[-1].is_empty.append(is_empty)
        self._is_repeatable = True

    def _put_mark(self, python: str, length: int) -> None:
        self._out.append(python)
        self._at += length
        self._is_repeatable = False

    def _put_literal(self, character: str, length: int) -> None:
        code = ord(character)
        if self._flags.i:
            self._put(characters.as_pattern(self._cased(code, code, self._at)), length)
        else:
            self._put(re.escape(character), length)

    def _cased(self, low: int, high: int, at: int) -> list[Range]:
        if not self._flags.i:
            return [(low, high)]
        if characters.has_foreign_case(low, high):
            what = "under (?i) only ASCII letters are known in both cases: list the others, as [éÉ]"
            raise NotRe2(f"{what} before it", at)
        return characters.folded([(low, high)])

    def _open_group(self) -> None:
        begin = self._at
        found = _GROUP.match(self._text, begin + 1)
        if found is None and self._text.startswith("(?", begin):
            what = "neither a group's name, as (?P<name>, nor flags of i, m, s and U"
            raise NotRe2(f"{what}: Go has no others, and no lookahead", begin)
        length = 1 if found is None else 1 + len(found[0])
        group = _Group(begin, self._flags)
        if found is not None and found[1] is None:
            self._flags = self._flags._replace(
                **dict.fromkeys(found[2], True), **dict.fromkeys(found[3] or "", False)
            )
        if found is not None and found[4] == ")":
            self._put_mark("", length)
            return
        opening = "(" if found is None else "(?:" if found[1] is None else self._named(found[1])
        self._open.append(group)
        self._put_mark(opening, length)

    def _named(self, name: str) -> str:
        if not _NAME.fullmatch(name):
            what = f'"{name}" is no name of a group: it is of A-Z, a-z, 0-9 and _'
            raise NotRe2(f"{what}, and begins with no digit", self._at)
        if name in self._names:
            raise NotRe2(f'two groups are called "{name}": rename one', self._at)
        self._names.add(name)
        return f"(?P<{name}>"

    def _close_group(self) -> None:
        if len(self._open) == 1:
            raise NotRe2(r"this ) closes nothing: \) is the character", self._at)
        group = self._open.pop()
        self._flags = group.outer_flags
        self._put(")", 1, is_empty=group.may_be_empty)

    def _repeat(self, found: re.Match[str]) -> None:
        if not self._is_repeatable:
            what = f"{found[0]} has nothing that it could repeat"
            raise NotRe2(f"{what}: \\{found[0]} is the character", self._at)
        low, high = int(found[1] or found[0] == "+"), int(found[3] or found[1] or 1)
        if max(low, high) > _MOST_REPEATS or low > high:
            what = (
                f"{found[0]} is no count: from the smaller to the larger, at most {_MOST_REPEATS}"
            )
            raise NotRe2(what, self._at)
        is_empty = self._open[-1].is_empty
        if is_empty[-1] and self._out[-1] == ")" and found[0] not in ("?", "{1}", "{0,1}"):
            what = f"{found[0]} repeats a group that may match nothing, which Go does its own way"
            raise NotRe2(f"{what}: let it match one character at least", self._at)
        is_empty[-1] = is_empty[-1] or low == 0
        is_lazy = self._text.startswith("?", found.end())
        lazily = "?" if is_lazy != self._flags.U else ""
        self._put_mark(found[0] + lazily, len(found[0]) + is_lazy)

    def _escape(self) -> None:
        letter = self._text[self._at + 1 : self._at + 2]
        if letter in _ASSERTIONS:
            self._put(f"(?:{_ASSERTIONS[letter]})", 2, is_empty=True)
        elif letter == "Q":
            self._quote()
        elif (ranges := characters.OF_LETTERS.get(letter.lower())) is not None:
            members = self._of_class(ranges, is_inverted=letter.isupper())
            self._put(characters.as_pattern(members), 2)
        else:
            code, length = escaped(self._text, self._at)
            self._put_literal(chr(code), length)

    def _quote(self) -> None:
        quoted, end, _ = self._text[self._at + 2 :].partition(r"\E")
        self._at += 2
        for character in quoted:
            self._put_literal(character, 1)
        self._at += len(end)

    def _class(self) -> None:
        begin = self._at
        at = begin + 1
        is_inverted = self._text.startswith("^", at)
        at += is_inverted
        ranges: list[Range] = []
        first = at
        while not self._text.startswith("]", at) or at == first:
            if at >= len(self._text):
                raise NotRe2(r"this [ is never closed: \[ is the character", begin)
            more, at = self._member(at)
            ranges += more
        ranges = characters.inverted(ranges) if is_inverted else ranges
        self._put(characters.as_pattern(ranges), at + 1 - begin)

    def _member(self, at: int) -> tuple[list[Range], int]:
        """One member of a class, and where the next begins."""
        if (named := _NAMED_CLASS.match(self._text, at)) is not None:
            known = characters.OF_NAMES.get(named[2])
            if known is None:
                expected = ", ".join(characters.OF_NAMES)
                raise NotRe2(f'"{named[0]}" is no class: expected one of {expected}', at)
            return self._of_class(known, is_inverted=bool(named[1])), named.end()
        letter = self._text[at + 1 : at + 2] if self._text[at] == "\\" else ""
        if letter and (of_letter := characters.OF_LETTERS.get(letter.lower())) is not None:
            return self._of_class(of_letter, is_inverted=letter.isupper()), at + 2
        low, end = self._bound(at)
        high = low
        if self._text.startswith("-", end) and self._text[end + 1 : end + 2] not in ("", "]"):
            high, end = self._bound(end + 1)
        if high < low:
            raise NotRe2(f"the range ends before it begins: {self._text[at:end]}", at)
        return self._cased(low, high, at), end

    def _of_class(self, ranges: tuple[Range, ...], *, is_inverted: bool) -> list[Range]:
        cased = characters.folded(ranges) if self._flags.i else list(ranges)
        return characters.inverted(cased) if is_inverted else cased

    def _bound(self, at: int) -> tuple[int, int]:
        if self._text[at] != "\\":
            return ord(self._text[at]), at + 1
        code, length = escaped(self._text, at)
        return code, at + length
