"""What a listener's URL may say of its lines, as a query: `udp://:8125?dialect=statsd`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, get_args
from urllib.parse import parse_qsl, urlencode

from pydantic import AfterValidator

from veneurpy.config.checks import check_distinct
from veneurpy.config.wrong import Wrong

Dialect = Literal["dogstatsd", "statsd"]
NameTagStyle = Literal["influxdb", "librato", "signalfx", "graphite"]

_KEYS = ("dialect", "name_tags")


def _distinct(styles: tuple[NameTagStyle, ...]) -> tuple[NameTagStyle, ...]:
    check_distinct(styles)
    return styles


NameTagStyles = Annotated[tuple[NameTagStyle, ...], AfterValidator(_distinct)]


@dataclass(frozen=True, slots=True)
class ListenOptions:
    """What a URL says of its lines; None is what the key of that name says for all listeners."""

    name_tags: tuple[NameTagStyle, ...] | None = None
    dialect: Dialect | None = None

    def __str__(self) -> str:
        """The query, with its question mark; empty where nothing is said."""
        pairs = [] if self.dialect is None else [("dialect", str(self.dialect))]
        if self.name_tags is not None:
            pairs += [("name_tags", style) for style in self.name_tags or ("none",)]
        return "?" + urlencode(pairs) if pairs else ""


def parse_listen_options(query: str) -> ListenOptions:
    """Reads what follows the question mark of a URL. Raises Wrong."""
    found: dict[str, list[str]] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in _KEYS:
            expected = " or ".join(_KEYS)
            raise Wrong(f'a listener\'s URL has no option "{key}": expected {expected}')
        found.setdefault(key, []).extend(value.split(","))
    if query and not found:
        raise Wrong(f'expected options such as "dialect=statsd", found "{query}"')
    return ListenOptions(
        _styles(found["name_tags"]) if "name_tags" in found else None,
        _dialect(found["dialect"]) if "dialect" in found else None,
    )


def _dialect(words: Sequence[str]) -> Dialect:
    match words:
        case ["dogstatsd"]:
            return "dogstatsd"
        case ["statsd"]:
            return "statsd"
    raise _other(",".join(words), "dialect", get_args(Dialect))


def _styles(words: Iterable[str]) -> tuple[NameTagStyle, ...]:
    known = get_args(NameTagStyle)
    words = [word.strip() for word in words]
    if words == ["none"]:
        return ()
    for word in words:
        if word not in known:
            raise _other(word, "name_tags", (*known, "none"))
    check_distinct(words)
    return tuple(style for style in known if style in words)


def _other(word: str, key: str, known: Sequence[str]) -> Wrong:
    expected = f"expected {', '.join(known[:-1])} or {known[-1]}"
    return Wrong(f'{expected} as {key} of a listener\'s URL, found "{word}"')
