"""The file that `name_mapping` names: mappings of Prometheus' statsd_exporter, as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from veneurpy.config.checks import as_tuple, check_plain, check_sent_tag
from veneurpy.config.explain import explain
from veneurpy.config.place import Places
from veneurpy.config.report import Report
from veneurpy.config.section import Section
from veneurpy.config.text import parse
from veneurpy.config.wrong import Wrong, shown
from veneurpy.errors import ConfigError
from veneurpy.rules import Mapping, Rule
from veneurpy.rules.mapping import captures_in

_GLOB = re.compile(r"(\*|[^.*\s]+)(\.(\*|[^.*\s]+))*")
_WITHOUT_EFFECT = (
    "buckets",
    "histogram_options",
    "observer_type",
    "quantiles",
    "summary_options",
    "timer_type",
    "ttl",
)
"""Keys that say how Prometheus is to show a metric."""

_SAY_WHERE_TO = ("veneurlocalonly", "veneurglobalonly", "veneursinkonly")

MatchType = Literal["glob", "regex"]
_TYPES = {"counter": "counter", "gauge": "gauge", "observer": "observer", "timer": "observer"}


def _name(value: str) -> str:
    if ":" in value or "|" in value:
        raise Wrong(f"a name cannot contain a colon or a pipe, found {shown(value)}")
    return check_plain(value)


def _key(value: str) -> str:
    if not value or ":" in value:
        raise Wrong(f"a tag's key is a text without a colon, found {shown(value)}")
    if value in _SAY_WHERE_TO:
        raise Wrong(f"{shown(value)} says where a metric goes, which its sender alone can say")
    return check_sent_tag(value)


_Name = Annotated[str, AfterValidator(_name)]
_Key = Annotated[str, AfterValidator(_key)]
_Text = Annotated[str, AfterValidator(check_sent_tag)]


class _Presentation(Section):
    buckets: Any = None
    help: Any = None
    histogram_options: Any = None
    observer_type: Any = None
    quantiles: Any = None
    scale: Any = None
    summary_options: Any = None
    timer_type: Any = None
    ttl: Any = None


class _Defaults(_Presentation):
    match_type: MatchType = "glob"
    glob_disable_ordering: bool = False


class _Entry(_Presentation):
    match: str = Field(min_length=1)
    match_type: MatchType | None = None
    match_metric_type: Literal["", "counter", "gauge", "observer", "timer"] = ""
    name: _Name = ""
    labels: dict[_Key, _Text] = Field(default_factory=dict)
    action: Literal["map", "drop"] = "map"
    honor_labels: bool = False


class _File(Section):
    defaults: _Defaults = Field(default_factory=_Defaults)
    mappings: Annotated[tuple[_Entry, ...], BeforeValidator(as_tuple)] = ()


def load_mapping(path: Path) -> tuple[Mapping, list[str]]:
    """The rules of a file, and warnings. Raises ConfigError that lists every mistake."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}") from error
    return parse_mapping(text, source=str(path))


def parse_mapping(text: str, *, source: str = "<text>") -> tuple[Mapping, list[str]]:
    """The same for a text in memory."""
    report = Report(Places(source, text))
    data = parse(text, report)
    try:
        file = _File.model_validate(data)
    except ValidationError as error:
        explain(error, _File, (), report)
        report.raise_mistakes()
        raise
    _warn(file.defaults, ("defaults",), report)
    rules = tuple(_rule(file, number, report) for number in range(len(file.mappings)))
    report.raise_mistakes()
    return Mapping(rules, file.defaults.glob_disable_ordering), report.rendered_warnings()


def _rule(file: _File, number: int, report: Report) -> Rule:
    entry = file.mappings[number]
    is_regex = (entry.match_type or file.defaults.match_type) == "regex"
    place = report.places.of(("mappings", number, "match"))
    if is_regex:
        _check_regex(entry.match, place, report)
    elif not _GLOB.fullmatch(entry.match):
        what = f'"{entry.match}" is no glob: * stands for one whole part between two dots'
        report.mistake(place, f"{what}; `match_type: regex` takes anything")
    if entry.action == "map" and not entry.name:
        where = report.places.of(("mappings", number))
        report.mistake(where, f'the key "name" is missing in mappings[{number}]')
    _check_captures(entry, is_regex, number, report)
    _warn(entry, ("mappings", number), report)
    return Rule(
        entry.match,
        entry.name,
        tuple(entry.labels.items()),
        is_regex=is_regex,
        type=_TYPES.get(entry.match_metric_type, ""),  # type: ignore[arg-type]
        drops=entry.action == "drop",
        keeps_tags=entry.honor_labels,
        line=place.order[0],
    )


def _warn(section: _Presentation, path: tuple[str | int, ...], report: Report) -> None:
    for key in _WITHOUT_EFFECT:
        if getattr(section, key) is not None:
            where = report.places.of((*path, key), key=True)
            report.warning(where, f'"{key}" has no effect: it says how Prometheus shows a metric')
    if section.scale is not None:
        where = report.places.of((*path, "scale"), key=True)
        report.warning(where, '"scale" has no effect: values stay as they are sent')


def _check_captures(entry: _Entry, is_regex: bool, number: int, report: Report) -> None:
    """A template may name what the pattern captures, and nothing else."""
    try:
        pattern = re.compile(entry.match) if is_regex else None
    except re.error:
        return
    count = pattern.groups if pattern else entry.match.count("*")
    known = {str(i) for i in range(0 if pattern else 1, count + 1)}
    known |= set(pattern.groupindex) if pattern else set()
    templates = {("name",): entry.name} | {("labels", k): v for k, v in entry.labels.items()}
    for path, template in templates.items():
        for capture in captures_in(template):
            if capture not in known:
                where = report.places.of(("mappings", number, *path))
                what = f'"${capture}" is captured by nothing: "{entry.match}" has {count} captures'
                report.mistake(where, f"{what} ($1 is the first; ${{1}}x where letters follow)")


def _check_regex(pattern: str, place: Any, report: Report) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        report.mistake(place, f'"{pattern}" is no regular expression: {error}')
