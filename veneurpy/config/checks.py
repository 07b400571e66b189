"""Checks of single values and of lists of them: tags, names, aggregates, percentiles."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Literal

from veneurpy.config.called import Called
from veneurpy.config.wrong import Wrong, shown

Aggregate = Annotated[
    Literal["min", "max", "median", "avg", "count", "sum", "hmean"], Called("aggregate")
]
DEFAULT_AGGREGATES: tuple[Aggregate, ...] = ("min", "max", "count")


def as_tuple(value: Any) -> Any:
    """A YAML list as the tuple that a frozen model holds; anything else is left for the check."""
    return tuple(value) if isinstance(value, list) else value


def check_distinct(values: Iterable[object]) -> None:
    """Raises Wrong for a value that is listed twice."""
    seen = set()
    for value in values:
        if value in seen:
            raise Wrong(f"{value} is listed twice")
        seen.add(value)


def check_percentile(value: float) -> float:
    """Raises Wrong unless 0 <= value <= 1."""
    if 0 <= value <= 1:
        return value
    suggestion = str(Decimal(str(value)) / 100) if 1 < value <= 100 else ""
    raise Wrong(f"expected a fraction from 0 to 1, found {shown(value)}", suggestion)


def check_tag(value: str) -> str:
    """Raises Wrong for a tag that could not have been sent as one tag of a line."""
    if "," in value:
        raise Wrong(
            f"a tag cannot contain a comma, found {shown(value)}: write one item for each tag"
        )
    return check_plain(value)


def check_sent_tag(value: str) -> str:
    """Raises Wrong for a tag that could not be written into a line."""
    if "|" in value:
        raise Wrong(f"a tag that is sent cannot contain a pipe, found {shown(value)}")
    return check_tag(value)


def check_plain(value: str) -> str:
    """Raises Wrong for a text with control characters."""
    if any(character < " " or character == "\x7f" for character in value):
        raise Wrong(f"expected a text without control characters, found {value!r}")
    return value


def check_pem(value: str) -> str:
    """Raises Wrong for what is neither PEM text nor a path."""
    return value if "-----BEGIN" in value else check_plain(value)


def check_name(value: str) -> str:
    """Raises Wrong for a name that no tag could contain."""
    if "," in value:
        raise Wrong(f"a name cannot contain a comma, found {shown(value)}")
    return check_plain(value)
