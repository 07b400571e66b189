"""`veneurpy map`: what a name becomes, and by which rule."""

from __future__ import annotations

import os
from pathlib import Path

import click

from veneurpy.config import load_config
from veneurpy.config.mapping import load_mapping
from veneurpy.engine import MetricType
from veneurpy.errors import ConfigError
from veneurpy.rules import Mapping, MappingRewriter

TYPES = {
    "c": MetricType.COUNTER,
    "g": MetricType.GAUGE,
    "ms": MetricType.TIMER,
    "h": MetricType.HISTOGRAM,
    "s": MetricType.SET,
}


@click.command(name="map")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option("-f", "--file", type=click.Path(path_type=Path), help="The configuration.")
@click.option("-m", "--mapping", "rules", type=click.Path(path_type=Path), help="A mapping file.")
@click.option(
    "-t", "--type", "type_", type=click.Choice(list(TYPES)), default="c", show_default=True
)
def map_(names: tuple[str, ...], file: Path | None, rules: Path | None, type_: str) -> None:
    """Show what each NAME becomes by the rules of `name_mapping`, and which rule says so."""
    try:
        path, mapping = _mapping(file, rules)
    except ConfigError as error:
        click.echo(error, err=True)
        raise SystemExit(1) from None
    for name in names:
        click.echo(_shown(mapping, name, TYPES[type_], path))


def _mapping(file: Path | None, rules: Path | None) -> tuple[Path, Mapping]:
    if rules is None:
        loaded = load_config(file, environ=os.environ)
        if not loaded.config.name_mapping:
            raise ConfigError(f"{loaded.source}: name_mapping is empty: name a file with --mapping")
        rules = Path(loaded.config.name_mapping)
    return rules, load_mapping(rules)[0]


def _shown(mapping: Mapping, name: str, type_: MetricType, path: Path) -> str:
    mapped = mapping.of(name, type_)
    if mapped is None:
        return f"{name}  stays as it is: no rule matches"
    where = f"{path}:{mapped.rule.line}: {mapped.rule.match}"
    rewrite = MappingRewriter(mapping).of(name.encode(), type_)
    if rewrite is None:
        return f"{name}  stays as it is: its new name would be empty or too long  ({where})"
    if rewrite.is_dropped:
        return f"{name}  is dropped  ({where})"
    tags = ",".join(tag.decode() for tag in rewrite.tags(()))
    return f"{name}  becomes {rewrite.name.decode()}{f'  #{tags}' if tags else ''}  ({where})"
