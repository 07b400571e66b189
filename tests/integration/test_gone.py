"""Directories that somebody removes under a running daemon, as a cleaner of old files does."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon, running_daemon, send_lines
from tests.engines import needs_native
from tests.waiting import wait_until

pytestmark = needs_native

NOBODY = {"kind": "statsd", "name": "away", "config": {"address": "tcp://127.0.0.1:1"}}


def directories(folder: Path) -> dict[str, Any]:
    """Settings of a daemon that hands over to the next one."""
    for name in ("state", "arenas"):
        (folder / name).mkdir()
    return {"state_dir": str(folder / "state"), "arena_dir": str(folder / "arenas")}


def names_gone(daemon: Daemon) -> set[str]:
    """What it says is gone, by directory and name."""
    paths = [Path(path) for line in daemon.logged("files_gone") for path in line["paths"].split()]
    return {f"{path.parent.name}/{path.name}" for path in paths}


@pytest.mark.parametrize(
    ("removed", "expected"),
    [("state", {"state/lock", "state/spool.db"}), ("arenas", {"arenas/lock"})],
)
def test_what_nobody_could_take_up_is_delivered(
    tmp_path: Path, removed: str, expected: set[str]
) -> None:
    """It is told while the daemon runs, and a stop flushes instead of handing over."""
    with running_daemon(tmp_path, **directories(tmp_path)) as daemon:
        send_lines(daemon.port, *["hits:1|c"] * 100)
        shutil.rmtree(tmp_path / removed)
        wait_until(lambda: names_gone(daemon) == expected, "nothing was said")
        assert 0 == daemon.stop()
    assert [100] == [row["value"] for row in daemon.rows()]
    assert (removed == "arenas") == bool(daemon.logged("handed_over"))


def test_a_lock_alone_is_no_loss(tmp_path: Path) -> None:
    """It is told, for a second daemon may come; what is left to the next one is there."""
    with running_daemon(tmp_path, **directories(tmp_path)) as daemon:
        send_lines(daemon.port, "hits:1|c")
        (tmp_path / "state" / "lock").unlink()
        assert 0 == daemon.stop()
    assert {"state/lock"} == names_gone(daemon)
    assert [] == daemon.rows()
    assert [0] == [line["rows"] for line in daemon.logged("handed_over")]


def test_what_goes_with_the_spool_is_named(tmp_path: Path) -> None:
    """Rows that a sink has not taken are lost with the file, and not handed over."""
    settings = {**directories(tmp_path), "interval": "200ms", "metric_sinks": [NOBODY]}
    with running_daemon(tmp_path, shutdown_timeout="1s", **settings) as daemon:
        send_lines(daemon.port, "hits:1|c")
        wait_until(lambda: daemon.logged("sink_failed"), "it was not flushed")
        (tmp_path / "state" / "spool.db").unlink()
        assert 0 == daemon.stop()
    assert {"state/spool.db"} == names_gone(daemon)
    assert [] == daemon.logged("handed_over")
    (failed,) = daemon.logged("stop_failed")
    assert ("state_dir", True) == (failed["what"], " 1 rows " in failed["error"])


def accounts(daemon: Daemon) -> dict[str, Any]:
    """What became of the batches that it forwards."""
    found: dict[str, Any] = daemon.get("/api/v1/status")["forward"]["accounts"]
    return found


def test_batches_that_go_with_the_spool_are_named(tmp_path: Path) -> None:
    """What waits for an owner that is away ends with the process, and is given up by name."""
    settings = {**directories(tmp_path), "interval": "200ms", "forward_address": "127.0.0.1:1"}
    with running_daemon(tmp_path, shutdown_timeout="2s", **settings) as daemon:
        send_lines(daemon.port, "users:a|s")
        wait_until(lambda: accounts(daemon)["encoded"]["batches"] == 1, "it was not encoded")
        (tmp_path / "state" / "spool.db").unlink()
        assert 0 == daemon.stop()
    assert [1] == [line["batches"] for line in daemon.logged("batches_lost")]
