"""`veneurpy map`: what a name becomes, and by which filters and rule."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import click

from veneurpy.config import load_config
from veneurpy.config.filters import filters_of
from veneurpy.config.mapping import load_mapping
from veneurpy.engine import MetricType
from veneurpy.engine.rewriting import Rewrite
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
    """Show what each NAME becomes by `filters` and `name_mapping`, and what of them says so."""
    try:
        found = _rules(file, rules)
    except ConfigError as error:
        click.echo(error, err=True)
        raise SystemExit(1) from None
    for name in names:
        click.echo(_shown(found, name, TYPES[type_]))


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


def _shown(rules: _Rules, name: str, type_: MetricType) -> str:
    filters = FilterRewriter(rules.filters)
    both = FilterRewriter(rules.filters, MappingRewriter(rules.mapping))
    first = filters.of(name.encode(), type_)
    filtered = rules.filters.of(name)
    acting = [] if filtered is None else filtered.acting
    wheres = [f"{rules.filters_source}: filters[{each.number}]" for each in acting]
    middle = name if first is None else first.name.decode()
    is_dropped = first is not None and first.is_dropped
    mapped = None if is_dropped else rules.mapping.of(middle, type_)
    if mapped is not None:
        wheres.append(f"{rules.mapping_source}:{mapped.rule.line}: {mapped.rule.match}")
    if not wheres:
        return f"{name}  stays as it is: no rule matches"
    return f"{name}  {_result(both.of(name.encode(), type_))}  ({', '.join(wheres)})"


def _result(rewrite: Rewrite | None) -> str:
    if rewrite is None:
        return "stays as it is: its new name would be empty or too long"
    if rewrite.is_dropped:
        return "is dropped"
    tags = ",".join(tag.decode() for tag in rewrite.tags(()))
    stripped = "".join(f"  without {pattern.decode()}" for pattern in rewrite.stripped)
    stripped += "".join(f"  dropped with {each.decode()}" for each in rewrite.unwanted)
    return f"becomes {rewrite.name.decode()}{f'  #{tags}' if tags else ''}{stripped}"
