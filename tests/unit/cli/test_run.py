"""`veneurpy run`: what it says when it cannot run."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from veneurpy.cli import main
from veneurpy.config import Config
from veneurpy.engine import EngineMissing
from veneurpy.errors import ListenError


@pytest.mark.parametrize(
    "error",
    [
        EngineMissing("the native engine is not built: set `engine: python`"),
        ListenError("cannot listen on udp://127.0.0.1:8125: the address is in use"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_prevents_the_start_is_one_sentence(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, no traceback."""

    def refuse(*args: Any, **kwargs: Any) -> None:
        raise error

    monkeypatch.setattr("veneurpy.server.open_engine", refuse)
    result = CliRunner().invoke(main, ["run", "--http", "127.0.0.1:0"])
    assert result.exit_code == 1
    assert result.output.splitlines()[-1] == f"veneurpy: {error}"


def test_flags_prevail_over_the_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each names its key."""
    seen: list[Config] = []

    def keep(build: Any) -> int:
        seen.append(build().config)
        return 0

    monkeypatch.setattr("veneurpy.cli.run.run_process", keep)
    flags = ["--interval", "3s", "--http", "[::1]:1", "--engine", "python"]
    flags += ["--listen", "udp://127.0.0.1:1", "--listen", "udp://127.0.0.1:2"]
    assert CliRunner().invoke(main, ["run", *flags]).exit_code == 0
    (config,) = seen
    assert (3.0, "[::1]:1", "python") == (config.interval, str(config.http_address), config.engine)
    assert [1, 2] == [url.port for url in config.statsd_listen_addresses]


@pytest.mark.parametrize("code", [0, 1])
def test_the_exit_code_is_that_of_the_node(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash shows outside."""
    monkeypatch.setattr("veneurpy.cli.run.run_process", lambda build: code)
    assert CliRunner().invoke(main, ["run"]).exit_code == code
