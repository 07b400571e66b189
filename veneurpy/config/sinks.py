"""The options of sinks, checked by the class of each sink's kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from veneurpy.config.explain import explain, nearest, unknown_key
from veneurpy.config.model import SinkEntry
from veneurpy.config.place import Path, Places, dotted
from veneurpy.config.report import Report
from veneurpy.config.section import Section
from veneurpy.config.veneur import REFUSED_SINK_OPTIONS, VENEUR_SINKS
from veneurpy.errors import ConfigError


@dataclass(frozen=True, slots=True)
class SinkKinds:
    """What the loader must know of the sinks that are installed."""

    names: Callable[[], Iterable[str]]
    options: Callable[[str], type[BaseModel]]
    """The `Config` class of a kind among `names`."""


def installed_sinks() -> SinkKinds:
    """The sinks that are registered as entry points."""
    from veneurpy.registry import sink_class, sink_kinds

    return SinkKinds(sink_kinds, lambda kind: sink_class(kind).Config)


def resolve_sinks(data: dict[str, Any], kinds: SinkKinds, places: Places, report: Report) -> None:
    """Replaces the options of each sink by an instance of its `Config` and fills in its name."""
    entries = data.get("metric_sinks")
    if not isinstance(entries, list):
        return
    taken: dict[str, Path] = {}
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("kind"), str):
            continue
        path: Path = ("metric_sinks", index)
        entry["config"] = _options(entry, kinds, path, places, report)
        _check_name(entry, path, taken, places, report)


def _options(
    entry: dict[str, Any], kinds: SinkKinds, path: Path, places: Places, report: Report
) -> Any:
    """The checked options of one sink, or what was written if they are wrong."""
    kind, written = entry["kind"], entry.get("config")
    at = (*path, "config")
    options = _options_class(kind, kinds, path, places, report)
    if options is None or not (written is None or isinstance(written, dict)):
        # The section itself reports what is neither nothing nor a mapping.
        return Section() if options is None else written
    given = {key: value for key, value in (written or {}).items() if value is not None}
    _belongs_inside(entry, options, path, places, report)
    for key in [key for key in given if (kind, key) in REFUSED_SINK_OPTIONS]:
        report.mistake(places.of((*at, key), key=True), REFUSED_SINK_OPTIONS[kind, key])
        del given[key]
    for key in [key for key in given if key not in options.model_fields]:
        unknown_key((*at, key), options.model_fields, places, report)
        del given[key]
    try:
        return options.model_validate(given)
    except ValidationError as error:
        explain(error, options, at, places, report)
        return Section()


def _options_class(
    kind: str, kinds: SinkKinds, path: Path, places: Places, report: Report
) -> type[BaseModel] | None:
    names = sorted(kinds.names())
    place = places.of((*path, "kind"))
    if kind not in names:
        there = f"the kinds are {', '.join(names)}"
        if kind in VENEUR_SINKS:
            what = f'the sink "{kind}" of Veneur is not supported by this version: {there}'
            report.mistake(place, what)
        else:
            report.mistake(place, f'unknown kind of sink "{kind}": {there}', nearest(kind, names))
        return None
    try:
        return kinds.options(kind)
    except ConfigError as error:
        report.mistake(place, str(error))
        return None


def _belongs_inside(
    entry: dict[str, Any], options: type[BaseModel], path: Path, places: Places, report: Report
) -> None:
    """Takes options that were written beside `config` out of the entry, and reports them."""
    for key in [key for key in entry if key not in SinkEntry.model_fields]:
        if key in options.model_fields:
            what = f'"{key}" is an option of the sink: write it below `config:`'
            report.mistake(places.of((*path, key), key=True), what)
            del entry[key]


def _check_name(
    entry: dict[str, Any], path: Path, taken: dict[str, Path], places: Places, report: Report
) -> None:
    """Fills in the name and reports one that another sink has."""
    name = entry.get("name") or entry["kind"]
    if not isinstance(name, str):
        return
    entry["name"] = name
    if name in taken:
        what = f'the name "{name}" is already that of {dotted(taken[name])}: give each its `name`'
        report.mistake(places.of((*path, "name")), what)
    taken.setdefault(name, path)
