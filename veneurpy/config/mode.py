"""Permissions of a file as people write them: `0660`."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

from veneurpy.config.called import Called
from veneurpy.config.wrong import Wrong, shown

_MOST = 0o777


def parse_mode(value: object) -> int:
    """Permissions of octal digits in quotes, or of the number that YAML makes of `0660`."""
    if isinstance(value, str) and value and set(value.removeprefix("0o")) <= set("01234567"):
        number = int(value.removeprefix("0o"), 8)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    else:
        raise Wrong(f'expected permissions in octal such as "0660", found {shown(value)}')
    if not 0 <= number <= _MOST:
        raise Wrong(f'expected permissions in octal from "0000" to "0777", found {shown(value)}')
    return number


UnixMode = Annotated[
    int,
    BeforeValidator(parse_mode),
    PlainSerializer(lambda mode: f"{mode:04o}", when_used="json"),
    Called("permissions"),
]
"""Written as four octal digits."""
