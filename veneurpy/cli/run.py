"""`veneurpy run`: the daemon."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from veneurpy.config import LoadedConfig, load_config
from veneurpy.descriptors import STDERR, take_closed_standard_ones
from veneurpy.engine import EngineMissing
from veneurpy.errors import VeneurpyError
from veneurpy.server import Server
from veneurpy.server.process import run_process
from veneurpy.server.threads import too_few
from veneurpy.telemetry.logs import make_logger
from veneurpy.telemetry.stream import LogStream

LAST_LINES_S = 1.0
"""What the last log lines get to be written."""


@click.command()
@click.option(
    "-f",
    "--file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The configuration, YAML. Without it the built-in defaults run.",
)
@click.option("--interval", help="Overrides `interval`, as in 10s.")
@click.option(
    "--listen", multiple=True, help="Overrides `statsd_listen_addresses`; may be repeated."
)
@click.option("--http", help="Overrides `http_address`.")
@click.option("--engine", type=click.Choice(["native", "python"]), help="Overrides `engine`.")
def run(
    file: Path | None,
    interval: str | None,
    listen: tuple[str, ...],
    http: str | None,
    engine: str | None,
) -> None:
    """Run the daemon.

    Until SIGTERM or SIGINT; then everything received is flushed, or left to the next process.
    """
    overrides = {
        "interval": interval,
        "statsd_listen_addresses": list(listen) or None,
        "http_address": http,
        "engine": engine,
    }
    take_closed_standard_ones()
    try:
        exit_code = _run(load_config(file, environ=os.environ, overrides=overrides))
    except RuntimeError as exc:
        click.echo(f"veneurpy: {too_few(exc)}", err=True)
        sys.exit(1)
    except (VeneurpyError, EngineMissing) as exc:
        click.echo(f"veneurpy: {exc}", err=True)
        sys.exit(1)
    sys.exit(exit_code)


def _run(loaded: LoadedConfig) -> int:
    config, stream = loaded.config, LogStream(STDERR)
    logger = make_logger(stream, level=config.log_level, format_=config.log_format)
    try:
        return run_process(
            lambda: Server(config, logger, warnings=loaded.warnings, environ=os.environ)
        )
    finally:
        stream.close(LAST_LINES_S)
