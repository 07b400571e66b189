"""The options of sinks, checked by the class of each sink's kind."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from veneurpy.config.explain import explain, nearest
from veneurpy.config.model import SinkEntry
from veneurpy.config.place import Path, dotted
from veneurpy.config.report import Report
from veneurpy.config.section import Section
from veneurpy.config.veneur import REFUSED_SINK_OPTIONS, VENEUR_SINKS
from veneurpy.config.wrong import shown
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


def resolve_sinks(data: dict[str, Any], kinds: SinkKinds, report: Report) -> None:
    """Replaces the options of each sink by an instance of its `Config` and fills in its name."""
    entries = data.get("metric_sinks")
    if not isinstance(entries, list):
        return
    taken: dict[str, Path] = {}
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            continue
        path: Path = ("metric_sinks", index)
        if not isinstance(entry.get("kind"), str):
            entry.pop("config", None)  # the section reports what its kind lacks
            continue
        entry["config"] = _options(entry, kinds, path, report)
        _check_name(entry, path, taken, report)


def _options(entry: dict[str, Any], kinds: SinkKinds, path: Path, report: Report) -> BaseModel:
    """The checked options of one sink; after a mistake, anything."""
    kind, written, at = entry["kind"], entry.get("config"), (*path, "config")
    model = _options_model(kind, kinds, path, report)
    if not (written is None or isinstance(written, dict)):
        what = f"{dotted(at)}: expected a mapping (`key: value` lines), found {shown(written)}"
        report.mistake(report.places.of(at), what)
        return Section()
    if model is None:
        return Section()
    _belongs_inside(entry, model, path, report)
    given = {key: value for key, value in (written or {}).items() if value is not None}
    _take_refused(given, kind, at, report)
    try:
        return model.model_validate(given)
    except ValidationError as error:
        explain(error, model, at, report)
        return Section()


def _take_refused(given: dict[str, Any], kind: str, at: Path, report: Report) -> None:
    """Takes options that only Veneur's sink has out of `given`, and reports them."""
    for key in list(given):
        if (kind, key) in REFUSED_SINK_OPTIONS:
            place = report.places.of((*at, key), key=True)
            report.mistake(place, REFUSED_SINK_OPTIONS[kind, key])
            del given[key]


def _options_model(
    kind: str, kinds: SinkKinds, path: Path, report: Report
) -> type[BaseModel] | None:
    names = sorted(kinds.names())
    place = report.places.of((*path, "kind"))
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
    entry: dict[str, Any], model: type[BaseModel], path: Path, report: Report
) -> None:
    """Takes options that were written beside `config` out of the entry, and reports them."""
    for key in [key for key in entry if key not in SinkEntry.model_fields]:
        if key in model.model_fields:
            what = f'"{key}" is an option of the sink: write it below `config:`'
            report.mistake(report.places.of((*path, key), key=True), what)
            del entry[key]


def _check_name(entry: dict[str, Any], path: Path, taken: dict[str, Path], report: Report) -> None:
    """Fills in the name and reports one that another sink has."""
    name = entry.get("name") or entry["kind"]
    if not isinstance(name, str):
        return
    entry["name"] = name
    if name in taken:
        what = f'the name "{name}" is already that of {dotted(taken[name])}: give each its `name`'
        report.mistake(report.places.of((*path, "name")), what)
    taken.setdefault(name, path)
