"""The key `filters`: what is dropped, renamed, stripped of tags or given some."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from veneurpy.config.called import Called
from veneurpy.config.checks import as_tuple, check_plain
from veneurpy.config.patterns import NamePattern, Tags, check_tag_text
from veneurpy.config.place import Path
from veneurpy.config.report import Report
from veneurpy.config.section import Section
from veneurpy.config.wrong import Wrong, shown
from veneurpy.engine.rewriting import MOST_CONDITIONS, MOST_REGEXES
from veneurpy.rules import Filter, Filters
from veneurpy.rules.mapping import captures_in

_WORDS = re.compile("veneurlocalonly|veneurglobalonly|veneursinkonly:.*")


def _check_new_name(value: str) -> str:
    if ":" in value or "|" in value:
        raise Wrong(f"a name cannot contain a colon or a pipe, found {shown(value)}")
    return check_plain(value)


def _check_new_tag(value: str) -> str:
    if _WORDS.fullmatch(value):
        raise Wrong(f"{shown(value)} says where a sample goes: only clients can send it")
    return check_tag_text(value)


class FilterEntry(Section):
    """One filter of `filters`."""

    name: NamePattern | None = None
    """Which names, as they were sent: `{exact: a.b}`, `{prefix: a.}`, `{glob: "a.*"}` (`*` is one
    whole part between dots) or `{regex: "^a"}` (anywhere in the name). Empty: all."""
    tags: Annotated[Tags, BeforeValidator(as_tuple)] = ()
    """Which tags, as they were sent: for each of these patterns the series has one that it fits.
    `host` has that key, `host:a` is that tag, `*` is any text: `tmp_*`, `*_id:0*`. Or, of the whole
    tag, `{exact: "env:a"}`, `{prefix: "env:"}`, `{regex: "^env:(a|b)$"}`. Empty: any."""
    drop: bool = False
    """Whether they are dropped. Their values are `filtered` in the ledger."""
    rename: Annotated[str, AfterValidator(_check_new_name)] = ""
    """What they are called from then on. `$1` or `${1}` is what the first `*` or group stood for,
    or what follows a prefix. The first filter that renames a series counts."""
    drop_tags: Annotated[Tags, BeforeValidator(as_tuple)] = ()
    """Series that were sent with such a tag are dropped; patterns as in `tags`, of which one is
    enough."""
    strip_tags: Annotated[Tags, BeforeValidator(as_tuple)] = ()
    """Tags that go; patterns as in `tags`."""
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
    filters = filters_of(entries)
    for found, most, what in (
        (len(filters.conditions), MOST_CONDITIONS, "lists of `tags` that change series"),
        (len(filters.tag_regexes), MOST_REGEXES, "regular expressions on tags"),
    ):
        if found > most:
            much = f"filters: {found} different {what}, and at most {most} are possible"
            report.mistake(report.places.of(("filters",)), f"{much}: write some as one")
    report.raise_mistakes()


def _filter(number: int, entry: FilterEntry) -> Filter:
    return Filter(
        "any" if entry.name is None else entry.name.kind,
        "" if entry.name is None else entry.name.text,
        tags=tuple(each.pattern for each in entry.tags),
        drops=entry.drop,
        rename=entry.rename,
        unwanted=tuple(each.pattern for each in entry.drop_tags),
        stripped=tuple(each.pattern for each in entry.strip_tags),
        added=entry.add_tags,
        number=number,
    )


def _mistakes(entry: FilterEntry) -> Iterator[tuple[tuple[str, ...], str]]:
    changes = bool(entry.rename or entry.drop_tags or entry.strip_tags or entry.add_tags)
    if not (entry.drop or changes):
        yield (), "it does nothing: give it drop, rename, drop_tags, strip_tags or add_tags"
    if entry.drop and changes:
        yield ("drop",), "what is dropped cannot be changed as well: leave the other keys out"
    if entry.name is None and entry.drop and not entry.tags:
        yield ("drop",), "that would be every series: say which with `name`, as {prefix: debug.}"
    if entry.name is None and entry.rename:
        yield ("rename",), "that would be every name: say which with `name`, as {prefix: debug.}"
    if entry.name is None:
        return
    known = _captures(entry.name)
    for capture in captures_in(entry.rename):
        if capture not in known:
            kind = f'{entry.name.kind} "{entry.name.text}"'
            what = f'"${capture}" is captured by nothing in the {kind}'
            yield ("rename",), f"{what} ($1 is the first; ${{1}}x where letters follow)"


def _captures(name: NamePattern) -> set[str]:
    """What a template may name."""
    if name.kind == "regex":
        pattern = re.compile(name.text)
        return {str(i) for i in range(pattern.groups + 1)} | set(pattern.groupindex)
    count = name.text.count("*") if name.kind == "glob" else int(name.kind == "prefix")
    return {str(i) for i in range(1, count + 1)}
