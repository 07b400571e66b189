"""What a backslash makes of the character behind it, in the syntax of RE2 and Go."""

from __future__ import annotations

import re

from veneurpy.rules import characters

_NUMBER = re.compile(r"x\{([0-9A-Fa-f]+)\}|x([0-9A-Fa-f]{2})|(0[0-7]{0,2}|[1-7][0-7]{1,2})")
_CONTROLS = {"a": 7, "f": 12, "t": 9, "n": 10, "r": 13, "v": 11}


class NotRe2(ValueError):
    """What is wrong, and how to mend it; `position` counts characters from 0."""

    def __init__(self, what: str, position: int) -> None:
        super().__init__(what)
        self.position = position


def escaped(text: str, at: int) -> tuple[int, int]:
    """The code point that the escape stands for that begins there, and its length."""
    letter = text[at + 1 : at + 2]
    if letter in _CONTROLS:
        return _CONTROLS[letter], 2
    if letter.isascii() and letter and not letter.isalnum():
        return ord(letter), 2
    if (found := _NUMBER.match(text, at + 1)) is not None:
        code = int(found[3], 8) if found[3] else int(found[1] or found[2], 16)
        if code <= 0x10FFFF:
            return code, 1 + len(found[0])
    raise NotRe2(_what_of(letter), at)


def _what_of(letter: str) -> str:
    if letter in ("p", "P"):
        what = f"classes of Unicode, as \\{letter}L, are not known here"
        return f"{what}: list the characters, as [A-Za-z]"
    if letter.lower() in characters.OF_LETTERS:
        return f"\\{letter} begins or ends no range: \\- is the character between two others"
    if letter == "C":
        return r"\C, a single byte, is not known here: . is a character"
    if letter == "Z":
        return r"Go knows no \Z: \z is the end"
    if letter == "":
        return r"a backslash alone: \\ is the character"
    if letter.isdigit():
        return f"\\{letter} would refer to a group, which Go cannot: repeat what the group has"
    return f"\\{letter} means nothing in Go: leave the backslash out, or write two"
