"""`veneurpy validate`: says whether a configuration can be run, and why not."""

from __future__ import annotations

import os
from pathlib import Path

import click

from veneurpy.config import load_config
from veneurpy.errors import ConfigError


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
def validate(file: Path) -> None:
    """Check the configuration FILE, and start nothing.

    The environment counts as it is. Exits with 0 if FILE can be run and with 1 if not; mistakes
    and warnings go to stderr.
    """
    try:
        loaded = load_config(file, environ=os.environ)
    except ConfigError as error:
        click.echo(error, err=True)
        raise SystemExit(1) from None
    for warning in loaded.warnings:
        click.echo(f"warning: {warning}", err=True)
    click.echo(f"{file}: ok")
