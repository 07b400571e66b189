"""What a validator raises, and how it names the value that it found."""

from __future__ import annotations


class Wrong(ValueError):
    """A value is wrong: `str()` says what was expected, `suggestion` what was probably meant."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.suggestion = suggestion


def shown(value: object) -> str:
    """A value as it is named in a message: `the number 10`, `"text"`, `a list`."""
    match value:
        case None:
            return "nothing"
        case bool():
            return "true" if value else "false"
        case int() | float():
            return f"the number {value:g}" if abs(value) < 1e6 else f"the number {value}"
        case str():
            return f'"{value}"' if len(value) <= 60 else f'"{value[:57]}..."'
        case list() | tuple():
            return "a list"
        case dict():
            return "a mapping"
        case _:
            return f"{value}"
