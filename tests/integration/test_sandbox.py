"""Kernels that lack or refuse what others have: everything counts all the same, or is said."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import refusing
from tests.daemon import Daemon, send_lines, sums_of
from tests.engines import needs_native

pytestmark = pytest.mark.skipif(not refusing.NUMBERS, reason="system calls of another processor")

SENT = 200
KEEP_SIZE, PUNCH_HOLE = 1, 2
SO_ATTACH_FILTER, SO_RCVBUFFORCE, SO_MEMINFO = 26, 33, 55


def without(*rules: str) -> list[str]:
    """Runs what follows it without what the rules refuse."""
    return [sys.executable, refusing.__file__, *rules, "--"]


def counted(folder: Path, rules: Sequence[str], engine: str) -> Daemon:
    """A daemon that has ended, after it counted all that was sent to it."""
    daemon = Daemon(folder, {"engine": engine}, prefix=without(*rules))
    try:
        daemon.wait_until_started()
        send_lines(daemon.port, *["hits:1|c"] * SENT)
        assert 0 == daemon.stop()
    finally:
        daemon.stop()
    assert {("hits", ""): SENT} == sums_of(daemon.rows())
    return daemon


ENGINES = [pytest.param("native", marks=needs_native), "python"]


@needs_native
@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_one_datagram_a_call(tmp_path: Path, error: str) -> None:
    """Where many at once are not to be had."""
    assert [] == counted(tmp_path, [f"recvmmsg:{error}"], "native").logged("left_unread")


@pytest.mark.parametrize("engine", ENGINES)
def test_drops_that_the_kernel_hides_are_not_called_none(tmp_path: Path, engine: str) -> None:
    """A warning says that they are in no account."""
    daemon = counted(tmp_path, [f"getsockopt.2={SO_MEMINFO}:ENOPROTOOPT"], engine)
    (warning,) = daemon.logged("kernel_drops_unknown")
    assert "warning" == warning["level"]


@pytest.mark.parametrize("engine", ENGINES)
def test_options_that_are_refused_cost_nothing(tmp_path: Path, engine: str) -> None:
    """A buffer beyond the limit, and to refuse datagrams at the stop."""
    options = [SO_RCVBUFFORCE, SO_ATTACH_FILTER]
    daemon = counted(tmp_path, [f"setsockopt.2={each}:ENOPROTOOPT" for each in options], engine)
    assert [] == daemon.logged("stop_failed") == daemon.logged("kernel_drops_unknown")


@needs_native
@pytest.mark.parametrize("rule", ["fallocate", f"fallocate.1={KEEP_SIZE | PUNCH_HOLE}"])
def test_arenas_want_a_file_system_that_reserves(tmp_path: Path, rule: str) -> None:
    """Without it a full one would kill, or what was given back would come again: said at once."""
    for name in ("state", "arenas"):
        (tmp_path / name).mkdir()
    settings = {"state_dir": str(tmp_path / "state"), "arena_dir": str(tmp_path / "arenas")}
    daemon = Daemon(tmp_path, settings, prefix=without(f"{rule}:EOPNOTSUPP"))
    with pytest.raises(RuntimeError, match=r"arenas cannot be used: .* as a tmpfs can; make it"):
        daemon.wait_until_started()
    assert ["lock"] == [path.name for path in (tmp_path / "arenas").iterdir()]
