"""What a service manager is told."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from veneurpy.systemd import Notifier


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, socket.socket]]:
    """(NOTIFY_SOCKET, the manager's end)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        name = str(tmp_path / "notify")
        ours.bind(name if request.param == "path" else "\0" + name)
        ours.settimeout(5)
        yield (name if request.param == "path" else "@" + name), ours


def test_assignments_are_lines_of_one_datagram(manager: tuple[str, socket.socket]) -> None:
    """As sd_notify(3) has it, for a path and for an abstract name."""
    address, ours = manager
    Notifier({"NOTIFY_SOCKET": address}).notify("READY=1", "STATUS=fine")
    assert ours.recv(100) == b"READY=1\nSTATUS=fine"


@pytest.mark.parametrize("environ", [{}, {"NOTIFY_SOCKET": "/nonexistent/notify"}])
def test_without_a_manager_nothing_happens(environ: dict[str, str]) -> None:
    """Neither is an error."""
    Notifier(environ).notify("READY=1")


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, 0.0),
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, 0.0),
    ],
)
def test_the_watchdog_is_that_of_this_process(environ: dict[str, str], expected: float) -> None:
    """One that was meant for a parent process is not ours."""
    assert expected == Notifier(environ).watchdog_s
