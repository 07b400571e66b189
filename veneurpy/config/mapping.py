"""The file that `name_mapping` names: mappings of Prometheus' statsd_exporter, as they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError

from veneurpy.config.checks import as_tuple, check_plain, check_sent_tag
from veneurpy.config.explain import explain
from veneurpy.config.patterns import GLOB
from veneurpy.config.place import Place, Places
from veneurpy.config.report import Report
from veneurpy.config.section import Section
from veneurpy.config.text import parse
from veneurpy.config.wrong import Wrong, shown
from veneurpy.errors import ConfigError
from veneurpy.rules import Mapping, Rule
from veneurpy.rules.mapping import captures_in
from veneurpy.rules.re2 import NotRe2, as_python

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
    pattern = _regex(entry.match, place, report) if is_regex else None
    if not is_regex and not GLOB.fullmatch(entry.match):
        what = f'"{entry.match}" is no glob: * stands for one whole part between two dots'
        report.mistake(place, f"{what}; `match_type: regex` takes anything")
    if entry.action == "map" and not entry.name:
        where = report.places.of(("mappings", number))
        report.mistake(where, f'the key "name" is missing in mappings[{number}]')
    if pattern is not None or not is_regex:
        _check_captures(entry, pattern, number, report)
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


def _check_captures(
    entry: _Entry, pattern: re.Pattern[str] | None, number: int, report: Report
) -> None:
    """A template may name what the pattern captures, and nothing else."""
    count = pattern.groups if pattern else entry.match.count("*")
    known = {str(i) for i in range(0 if pattern else 1, count + 1)}
    known |= set(pattern.groupindex) if pattern else set()
    templates = {("name",): entry.name} | {("labels", k): v for k, v in entry.labels.items()}
    for path, template in templates.items():
        where = report.places.of(("mappings", number, *path))
        if "$$" in template:
            report.mistake(where, '"$$" is read as one $ by Go: write one, or another character')
        for capture in captures_in(template):
            if capture not in known:
                what = f'"${capture}" is captured by nothing: "{entry.match}" has {count} captures'
                report.mistake(where, f"{what} ($1 is the first; ${{1}}x where letters follow)")


def _regex(pattern: str, place: Place, report: Report) -> re.Pattern[str] | None:
    try:
        return re.compile(as_python(pattern))
    except NotRe2 as error:
        where = f"at its character {error.position + 1}"
        report.mistake(place, f'"{pattern}" is no regular expression of Go: {where}, {error}')
    return None
