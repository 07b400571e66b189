"""The key `filters`: what is dropped, renamed, stripped of tags or given some."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from veneurpy.config.called import Called
from veneurpy.config.checks import as_tuple, check_plain, check_sent_tag
from veneurpy.config.place import Path
from veneurpy.config.report import Report
from veneurpy.config.section import Section
from veneurpy.config.wrong import Wrong, shown
from veneurpy.rules import Filter, Filters
from veneurpy.rules.filters import NameMatch
from veneurpy.rules.mapping import captures_in

_GLOB = re.compile(r"(\*|[^.*\s]+)(\.(\*|[^.*\s]+))*")
_WORDS = re.compile("veneurlocalonly|veneurglobalonly|veneursinkonly:.*")


def _check_new_name(value: str) -> str:
    if ":" in value or "|" in value:
        raise Wrong(f"a name cannot contain a colon or a pipe, found {shown(value)}")
    return check_plain(value)


def _check_glob(value: str) -> str:
    if not _GLOB.fullmatch(value):
        what = f"{shown(value)} is no glob: * stands for one whole part between two dots"
        raise Wrong(f"{what}; `regex` takes anything")
    return value


def _check_regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise Wrong(f"{shown(value)} is no regular expression: {error}") from error
    return value


def _check_tag(value: str) -> str:
    if not value:
        raise Wrong("a tag cannot be empty")
    return check_sent_tag(value)


def _check_new_tag(value: str) -> str:
    if _WORDS.fullmatch(value):
        raise Wrong(f"{shown(value)} says where a sample goes: only clients can send it")
    return _check_tag(value)


_Text = Annotated[str, Field(min_length=1), AfterValidator(check_plain)]


class NamePattern(Section):
    """Which names a filter is about: one of these keys."""

    exact: _Text | None = None
    prefix: _Text | None = None
    glob: Annotated[_Text, AfterValidator(_check_glob)] | None = None
    regex: Annotated[_Text, AfterValidator(_check_regex)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> NamePattern:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise Wrong("expected one of exact, prefix, glob and regex")
        return self


class FilterEntry(Section):
    """One filter of `filters`."""

    name: NamePattern | None = None
    """Which names, as they were sent: `{exact: a.b}`, `{prefix: a.}`, `{glob: "a.*"}` (`*` is one
    whole part between dots) or `{regex: "^a"}` (anywhere in the name). Empty: all."""
    drop: bool = False
    """Whether they are dropped. Their values are `filtered` in the ledger."""
    rename: Annotated[str, AfterValidator(_check_new_name)] = ""
    """What they are called from then on. `$1` or `${1}` is what the first `*` or group stood for,
    or what follows a prefix. The first filter that renames a name counts."""
    drop_tags: Annotated[
        tuple[Annotated[str, AfterValidator(_check_tag), Called("pattern")], ...],
        BeforeValidator(as_tuple),
    ] = ()
    """Series that were sent with such a tag are dropped; patterns as in `strip_tags`."""
    strip_tags: Annotated[
        tuple[Annotated[str, AfterValidator(_check_tag), Called("pattern")], ...],
        BeforeValidator(as_tuple),
    ] = ()
    """Tags that go: `host` has that key, `host:a` is that tag; `*` is any text: `tmp_*`,
    `*_id:0*`."""
    add_tags: Annotated[
        tuple[Annotated[str, AfterValidator(_check_new_tag), Called("tag")], ...],
        BeforeValidator(as_tuple),
    ] = ()
    """Tags that come, after that. One replaces those with its key."""


def filters_of(entries: Sequence[FilterEntry]) -> Filters:
    """As rules."""
    return Filters(tuple(_filter(number, entry) for number, entry in enumerate(entries)))


def check_filters(entries: Sequence[FilterEntry], report: Report) -> None:
    """Raises ConfigError for filters that cannot be meant."""
    for number, entry in enumerate(entries):
        for key, what in _mistakes(entry):
            path: Path = ("filters", number, *key)
            dotted = ".".join((f"filters[{number}]", *key))
            report.mistake(report.places.of(path), f"{dotted}: {what}")
    report.raise_mistakes()


def _filter(number: int, entry: FilterEntry) -> Filter:
    return Filter(
        *_kind_and_text(entry.name),
        drops=entry.drop,
        rename=entry.rename,
        unwanted=entry.drop_tags,
        stripped=entry.strip_tags,
        added=entry.add_tags,
        number=number,
    )


def _mistakes(entry: FilterEntry) -> Iterator[tuple[tuple[str, ...], str]]:
    changes = bool(entry.rename or entry.drop_tags or entry.strip_tags or entry.add_tags)
    if not (entry.drop or changes):
        yield (), "it does nothing: give it drop, rename, drop_tags, strip_tags or add_tags"
    if entry.drop and changes:
        yield ("drop",), "what is dropped cannot be changed as well: leave the other keys out"
    if entry.name is None and (entry.drop or entry.rename):
        key = "drop" if entry.drop else "rename"
        yield (key,), "that would be every name: say which with `name`, as {prefix: debug.}"
    known = _captures(entry.name)
    for capture in captures_in(entry.rename):
        if entry.name is not None and capture not in known:
            kind, match = _kind_and_text(entry.name)
            what = f'"${capture}" is captured by nothing in the {kind} "{match}"'
            yield ("rename",), f"{what} ($1 is the first; ${{1}}x where letters follow)"


def _captures(name: NamePattern | None) -> set[str]:
    """What a template may name."""
    kind, match = _kind_and_text(name)
    if kind == "regex":
        pattern = re.compile(match)
        return {str(i) for i in range(pattern.groups + 1)} | set(pattern.groupindex)
    count = match.count("*") if kind == "glob" else int(kind == "prefix")
    return {str(i) for i in range(1, count + 1)}


def _kind_and_text(name: NamePattern | None) -> tuple[NameMatch, str]:
    """The key that is there, and its value."""
    if name is None:
        return "any", ""
    if name.exact is not None:
        return "exact", name.exact
    if name.prefix is not None:
        return "prefix", name.prefix
    return ("glob", name.glob) if name.glob is not None else ("regex", name.regex or "")
