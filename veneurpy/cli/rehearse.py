"""`veneurpy rehearse`: what a change of the configuration would do to known traffic."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import click

from veneurpy.capture.dogfile import CaptureFile
from veneurpy.config import Config, load_config
from veneurpy.engine import EngineMissing
from veneurpy.errors import VeneurpyError
from veneurpy.server.comparison import Difference, differences
from veneurpy.server.rehearsal import Outcome, rehearse_config

DIFFERENT, FAILED = 1, 2


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--config", "new", required=True, type=click.Path(path_type=Path), help="The configuration."
)
@click.option(
    "--against",
    "old",
    type=click.Path(path_type=Path),
    help="What to compare it with; without it, the built-in defaults.",
)
@click.option("-n", "most", type=click.IntRange(1), default=100, show_default=True, help="Lines.")
def rehearse(file: Path, new: Path, old: Path | None, most: int) -> None:
    """Put a capture FILE through two configurations.

    Shows what they would publish differently. Nothing is listened on, nothing is sent and no file
    is touched. Exits with 0 if both publish the same, with 1 if not, with 2 if it cannot be told.
    """
    try:
        configs = [_config(old), _config(new)]
        outcomes = [_outcome(config, file) for config in configs]
    except (VeneurpyError, EngineMissing) as exc:
        click.echo(f"Error: {exc}", err=True)
        raise SystemExit(FAILED) from exc
    by_time = configs[0].interval == configs[1].interval
    if not by_time:
        click.echo("the intervals differ: of counters the sums are compared, of others the names")
    found = differences(*outcomes, by_time=by_time)
    shown = list(islice(found, most))
    left = sum(1 for _ in found)
    _show(shown, left, outcomes)
    if shown:
        raise SystemExit(DIFFERENT)


def _config(path: Path | None) -> Config:
    loaded = load_config(path, environ=os.environ)
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    return loaded.config


def _outcome(config: Config, file: Path) -> Outcome:
    with CaptureFile(file) as capture:
        return rehearse_config(config, capture)


def _show(shown: list[Difference], left: int, outcomes: list[Outcome]) -> None:
    if shown:
        click.echo(f"{'old':>15} {'new':>15} {'times':>6}  series")
    for each in shown:
        click.echo(f"{_value(each.old):>15} {_value(each.new):>15} {each.points:>6}  {each.what}")
    if left:
        click.echo(f"and {left} more")
    old, new = outcomes
    click.echo(
        f"{old.figures.get('lines', 0)} lines; series: {len(old.series)} old, "
        f"{len(new.series)} new, {len(shown) + left} differences"
    )


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.10g}"
