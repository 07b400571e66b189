"""How numbers are written on the wire: decimal, in ASCII, nothing else that Python would take."""

from __future__ import annotations

import re

_FLOAT = re.compile(rb"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(rb"([+-]?)0*([0-9]+)")
_INTEGER_DIGITS = 18


def parse_float(text: bytes) -> float | None:
    """A decimal float, correctly rounded; None for anything else, names and hex floats included.

    `float` alone takes `1_0`, ` 1`, `nan` and Arabic digits.
    """
    return float(text) if _FLOAT.fullmatch(text) else None


def parse_integer(text: bytes) -> int | None:
    """A decimal integer below 10^18; None for anything else."""
    match = _INTEGER.fullmatch(text)
    if match is None or len(match[2]) > _INTEGER_DIGITS:
        return None
    return int(match[1] + match[2])
