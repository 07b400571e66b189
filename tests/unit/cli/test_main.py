"""The command as a whole."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

from veneurpy import __version__
from veneurpy.cli import COMMANDS, main


def test_version() -> None:
    """--version names the program and its version."""
    result = CliRunner().invoke(main, ["--version"], prog_name="veneurpy")
    assert f"veneurpy {__version__}\n" == result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command: str) -> None:
    """Every command explains itself."""
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_help_is_whole() -> None:
    """What a command does is said in one line that is not cut off."""
    result = CliRunner().invoke(main, ["--help"])
    assert "..." not in result.output.partition("Commands:")[2]


def test_an_address_without_a_scheme() -> None:
    """Who leaves the scheme of an address out is told what was probably meant."""
    result = CliRunner().invoke(main, ["replay", "a.dog", "--to", "127.0.0.1:8125"])
    assert "did you mean udp://127.0.0.1:8125?" in result.output


def test_unknown_command() -> None:
    """A command that does not exist is a usage error."""
    result = CliRunner().invoke(main, ["fly"])
    assert result.exit_code == 2
    assert "No such command 'fly'" in result.output


EMIT_AND_TELL = """
import sys
from veneurpy.cli import main

main(["emit", "-name", "m", "-set", "u", "-hostport", sys.argv[1]], standalone_mode=False)
"""


def test_emit_does_not_load_the_daemon() -> None:
    """Scripts call emit by the thousand: it imports neither the daemon nor its configuration."""
    tell = "import atexit, sys; atexit.register(lambda: print(*sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", tell + EMIT_AND_TELL, "127.0.0.1:9"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    loaded = set(done.stdout.split())
    ours = {name for name in loaded if name.split(".")[0] == "veneurpy"}
    assert ours == {"veneurpy", "veneurpy.cli", "veneurpy.cli.emit", "veneurpy.dogstatsd"}
    assert not loaded & {"asyncio", "aiohttp", "pydantic"}
