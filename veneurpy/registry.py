"""From the name of a sink to its class: entry points, loaded when they are named and not before."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, cast

from veneurpy.errors import ConfigError

if TYPE_CHECKING:
    from veneurpy.ports import Sink

SINKS = "veneurpy.sinks"
"""The group of entry points. A package adds a sink by an entry point of its own in it."""

_MEMBERS = ("Config", "write_class", "takes_events", "takes_checks", "start", "flush", "stop")


def sink_kinds() -> list[str]:
    """The kinds of sinks that are installed, sorted. Imports none of them."""
    return sorted({point.name for point in entry_points(group=SINKS)})


def sink_class(kind: str) -> type[Sink]:
    """Loads the class behind a sink's `kind`.

    Raises ConfigError when there is no such kind (naming the nearest), when two packages claim it,
    when it cannot be imported, and when what it names is not a sink.
    """
    found = entry_points(group=SINKS, name=kind)
    if not found:
        raise ConfigError(_unknown(kind))
    targets = {point.value for point in found}
    if len(targets) > 1:
        raise ConfigError(
            f"sink kind {kind!r} is claimed by several packages: uninstall all but one of "
            f"{_providers(found)}"
        )
    return _load(next(iter(found)))


def _load(point: EntryPoint) -> type[Sink]:
    try:
        loaded = point.load()
    except Exception as exc:  # an import runs code of others: anything may come out of it
        raise ConfigError(
            f"sink kind {point.name!r} cannot be loaded from {point.value}: "
            f"{type(exc).__name__}: {exc}"
        ) from exc
    missing = [member for member in _MEMBERS if not hasattr(loaded, member)]
    if missing:
        raise ConfigError(
            f"sink kind {point.name!r}: {point.value} is not a sink, it lacks {', '.join(missing)}"
        )
    return cast("type[Sink]", loaded)


def _unknown(kind: str) -> str:
    kinds = sink_kinds()
    if not kinds:
        return f"unknown sink kind {kind!r}: no sink at all is installed, reinstall veneurpy"
    near = get_close_matches(kind, kinds, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"unknown sink kind {kind!r}: {hint}there are {', '.join(kinds)}"


def _providers(points: Iterable[EntryPoint]) -> str:
    return ", ".join(
        sorted(f"{point.dist.name if point.dist else '?'}: {point.value}" for point in points)
    )
