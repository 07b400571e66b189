"""The command `veneurpy`: one file a command, imported only when that command is called."""

from __future__ import annotations

from importlib import import_module

import click

from veneurpy import __version__

COMMANDS = (
    "run",
    "validate",
    "emit",
    "status",
    "top",
    "ring",
    "map",
    "capture",
    "replay",
    "rehearse",
)
"""Each is the function of that name (`map_`) in the module of that name here."""


class LazyGroup(click.Group):
    """Imports a command's module when the command is asked for: `emit` never loads the daemon."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"veneurpy.cli.{cmd_name}")
        command = getattr(module, cmd_name if hasattr(module, cmd_name) else f"{cmd_name}_")
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="%(prog)s %(version)s")
def main() -> None:
    """A StatsD/DogStatsD aggregation daemon that accounts for every sample."""
