"""What a listener's URL may say of its lines, as a query: `udp://:8125?name_tags=influxdb`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Literal, get_args
from urllib.parse import parse_qsl, urlencode

from pydantic import AfterValidator

from veneurpy.config.checks import check_distinct
from veneurpy.config.wrong import Wrong

NameTagStyle = Literal["influxdb", "librato", "signalfx", "graphite"]


def _distinct(styles: tuple[NameTagStyle, ...]) -> tuple[NameTagStyle, ...]:
    check_distinct(styles)
    return styles


NameTagStyles = Annotated[tuple[NameTagStyle, ...], AfterValidator(_distinct)]


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """What a URL says of its lines; None is what the key of that name says for all listeners."""

    name_tags: tuple[NameTagStyle, ...] | None = None

    def __str__(self) -> str:
        """The query, with its question mark; empty where nothing is said."""
        if self.name_tags is None:
            return ""
        pairs = [("name_tags", style) for style in self.name_tags or ("none",)]
        return "?" + urlencode(pairs)


def parse_listen_options(query: str) -> ListenOptions:
    """Reads what follows the question mark of a URL. Raises Wrong."""
    styles: list[str] | None = None
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key != "name_tags":
            raise Wrong(f'a listener\'s URL has no option "{key}": expected name_tags')
        styles = [*(styles or []), *value.split(",")]
    if query and styles is None:
        raise Wrong(f'expected options such as "name_tags=influxdb", found "{query}"')
    return ListenOptions(None if styles is None else _styles(styles))


def _styles(words: Iterable[str]) -> tuple[NameTagStyle, ...]:
    known = get_args(NameTagStyle)
    words = [word.strip() for word in words]
    if words == ["none"]:
        return ()
    for word in words:
        if word not in known:
            close = get_close_matches(word, known, n=1)
            expected = f"expected {', '.join(known)} or none"
            raise Wrong(f'{expected} as name_tags, found "{word}"', close[0] if close else "")
    check_distinct(words)
    return tuple(style for style in known if style in words)
