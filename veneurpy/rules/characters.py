r"""Sets of characters as RE2 and Go have them: `\d`, `\w` and `[[:alpha:]]` are ASCII."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

Range = tuple[int, int]
"""First and last code point."""

_LAST = 0x10FFFF
_DIGIT = ((0x30, 0x39),)
_UPPER = ((0x41, 0x5A),)
_LOWER = ((0x61, 0x7A),)
_WORD = (*_DIGIT, *_UPPER, (0x5F, 0x5F), *_LOWER)
# Beyond ASCII, what differs from a letter of it in case only: the Kelvin sign and the long s.
_TWINS = {0x4B: 0x212A, 0x53: 0x17F}

OF_LETTERS: dict[str, tuple[Range, ...]] = {
    "d": _DIGIT,
    "s": ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20)),
    "w": _WORD,
}
r"""`\d` and its like."""

OF_NAMES: dict[str, tuple[Range, ...]] = {
    "alnum": (*_DIGIT, *_UPPER, *_LOWER),
    "alpha": (*_UPPER, *_LOWER),
    "ascii": ((0x00, 0x7F),),
    "blank": ((0x09, 0x09), (0x20, 0x20)),
    "cntrl": ((0x00, 0x1F), (0x7F, 0x7F)),
    "digit": _DIGIT,
    "graph": ((0x21, 0x7E),),
    "lower": _LOWER,
    "print": ((0x20, 0x7E),),
    "punct": ((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E)),
    "space": ((0x09, 0x0D), (0x20, 0x20)),
    "upper": _UPPER,
    "word": _WORD,
    "xdigit": (*_DIGIT, (0x41, 0x46), (0x61, 0x66)),
}
"""`[:alpha:]` and its like."""


def folded(ranges: Iterable[Range]) -> list[Range]:
    """With what differs from an ASCII letter of them in case only."""
    out = list(ranges)
    for low, high in tuple(out):
        for upper in range(0x41, 0x5B):
            twins = {upper, upper + 0x20, _TWINS.get(upper, upper)}
            if any(low <= twin <= high for twin in twins):
                out.extend((twin, twin) for twin in twins)
    return out


def has_foreign_case(low: int, high: int) -> bool:
    """Whether there are letters of two cases beyond ASCII from one to the other."""
    beyond = map(chr, range(max(low, 0x80), high + 1))
    return any(text.lower() != text or text.upper() != text for text in beyond)


def inverted(ranges: Iterable[Range]) -> list[Range]:
    """All others."""
    out = []
    begin = 0
    for low, high in _joined(ranges):
        if begin < low:
            out.append((begin, low - 1))
        begin = high + 1
    return [*out, (begin, _LAST)] if begin <= _LAST else out


def as_pattern(ranges: Iterable[Range]) -> str:
    """In Python's syntax."""
    parts = [
        _escaped(low) + (f"-{_escaped(high)}" if high > low else "")
        for low, high in _joined(ranges)
    ]
    # A class without a character is none in Python: what never matches.
    return f"[{''.join(parts)}]" if parts else "(?!)"


def _joined(ranges: Iterable[Range]) -> Iterator[Range]:
    """Sorted, apart from each other."""
    begin = end = -1
    for low, high in sorted(ranges):
        if low <= end + 1 and end >= 0:
            end = max(end, high)
            continue
        if end >= 0:
            yield begin, end
        begin, end = low, high
    if end >= 0:
        yield begin, end


def _escaped(code: int) -> str:
    if chr(code).isascii() and chr(code).isalnum():
        return chr(code)
    return f"\\U{code:08x}"
