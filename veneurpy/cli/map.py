"""`veneurpy map`: what a name, or a series, becomes, and by which filters and rule."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from veneurpy.config import load_config
from veneurpy.config.filters import filters_of
from veneurpy.config.mapping import load_mapping
from veneurpy.engine import MetricType
from veneurpy.engine.rewriting import Rewrite, rewrite_of
from veneurpy.engine.tag_patterns import TagMatch, TagPattern
from veneurpy.engine.tags import normalise
from veneurpy.errors import ConfigError
from veneurpy.rules import FilterRewriter, Filters, Mapping, MappingRewriter

TYPES = {
    "c": MetricType.COUNTER,
    "g": MetricType.GAUGE,
    "ms": MetricType.TIMER,
    "h": MetricType.HISTOGRAM,
    "s": MetricType.SET,
}


@dataclass(frozen=True, slots=True)
class _Rules:
    """Both lists, and where they stand."""

    filters: Filters
    filters_source: str
    mapping: Mapping
    mapping_source: str


@click.command(name="map")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("-f", "--file", type=click.Path(path_type=Path), help="The configuration.")
@click.option("-m", "--mapping", "rules", type=click.Path(path_type=Path), help="A mapping file.")
@click.option(
    "-t", "--type", "type_", type=click.Choice(list(TYPES)), default="c", show_default=True
)
def map_(names: tuple[str, ...], file: Path | None, rules: Path | None, type_: str) -> None:
    """Show what names become by `filters` and `name_mapping`.

    And which of them says so. A NAME with tags is a series: 'NAME|#TAG,TAG'. Without them it says
    which filters ask for tags.
    """
    try:
        found = _rules(file, rules)
        shown = [_shown(found, name, TYPES[type_]) for name in names]
    except ConfigError as error:
        click.echo(error, err=True)
        raise SystemExit(1) from None
    for line in shown:
        click.echo(line)


def _rules(file: Path | None, rules: Path | None) -> _Rules:
    """A mapping file without a configuration stands alone."""
    if rules is not None and file is None:
        return _Rules(Filters(), "", load_mapping(rules)[0], str(rules))
    loaded = load_config(file, environ=os.environ)
    if rules is None and loaded.config.name_mapping:
        rules = Path(loaded.config.name_mapping)
    if rules is None and not loaded.config.filters:
        what = "filters and name_mapping are empty: name a file with --mapping"
        raise ConfigError(f"{loaded.source}: {what}")
    mapping = Mapping(()) if rules is None else load_mapping(rules)[0]
    return _Rules(filters_of(loaded.config.filters), loaded.source, mapping, str(rules))


def _shown(rules: _Rules, asked: str, type_: MetricType) -> str:
    name, has_tags, section = asked.partition("|#")
    tags = normalise(section.encode())
    if tags is None:
        raise ConfigError(f"{asked!r} has control characters, which no series has")
    both = FilterRewriter(rules.filters, MappingRewriter(rules.mapping))
    rewrite = rewrite_of(both, name.encode(), type_, tags.tags)
    wheres = _wheres(rules, name, type_, tags.tags)
    shown = "stays as it is: no rule matches"
    if wheres:
        shown = f"{_result(rewrite, tags.tags)}  ({', '.join(wheres)})"
    also = "" if has_tags or (rewrite and rewrite.is_dropped) else _asking(rules.filters, name)
    return f"{asked}  {shown}{also}"


def _asking(filters: Filters, name: str) -> str:
    """The filters that ask for tags, of which a series without some knows nothing."""
    about = [each.filter for each in filters.about(name)]
    numbers = [f"filters[{each.number}]" for each in about if each.tags or each.unwanted]
    return f"  with some tags also {', '.join(numbers)}" if numbers else ""


def _wheres(rules: _Rules, name: str, type_: MetricType, sent: tuple[bytes, ...]) -> list[str]:
    """The filters and the rule that decide over a series."""
    acting = rules.filters.acting(name, sent)
    wheres = [f"{rules.filters_source}: filters[{each.number}]" for each in acting]
    first = rewrite_of(FilterRewriter(rules.filters), name.encode(), type_, sent)
    middle = name if first is None else first.name.decode()
    is_dropped = first is not None and first.is_dropped
    mapped = None if is_dropped else rules.mapping.of(middle, type_)
    if mapped is not None:
        wheres.append(f"{rules.mapping_source}:{mapped.rule.line}: {mapped.rule.match}")
    return wheres


def _result(rewrite: Rewrite | None, sent: tuple[bytes, ...]) -> str:
    if rewrite is None:
        return "stays as it is: its new name would be empty or too long"
    if rewrite.is_dropped:
        return "is dropped"
    tags = ",".join(tag.decode() for tag in rewrite.tags(sent))
    stripped = () if sent else rewrite.stripped
    without = "".join(f"  without {_pattern(each)}" for each in stripped)
    return f"becomes {rewrite.name.decode()}{f'  #{tags}' if tags else ''}{without}"


def _pattern(pattern: TagPattern) -> str:
    text = pattern.text.decode()
    return text if pattern.match is TagMatch.GLOB else f"{pattern.match.name.lower()} {text}"
