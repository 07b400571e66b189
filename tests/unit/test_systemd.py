"""What a service manager is told, and the sockets that it keeps."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import pytest

from veneurpy import systemd
from veneurpy.config import load_config
from veneurpy.server.stopping import longest_s
from veneurpy.systemd import Notifier, Place, SocketStore, fd_name


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


FIRST = 700
"""Where the sockets that were passed on begin; 3 is taken in a test's process."""


class Passed:
    """Sockets that a manager passes on, as sd_listen_fds(3) has it, and those it was given."""

    def __init__(self, address: str, ours: socket.socket) -> None:
        self.ours = ours
        self.environ = {"NOTIFY_SOCKET": address, "LISTEN_PID": str(os.getpid())}
        self._names: list[str] = []

    def add(self, name: str, held: socket.socket) -> None:
        """Passes a copy of a socket under a name."""
        os.dup2(held.fileno(), FIRST + len(self._names))
        self._names.append(name)
        self.environ["LISTEN_FDS"] = str(len(self._names))
        self.environ["LISTEN_FDNAMES"] = ":".join(self._names)

    def store(self) -> SocketStore:
        return SocketStore(self.environ, Notifier(self.environ))

    def close(self) -> None:
        for fd in range(FIRST, FIRST + len(self._names)):
            try:
                os.close(fd)
            except OSError:
                continue


@pytest.fixture
def passed(manager: tuple[str, socket.socket], monkeypatch: pytest.MonkeyPatch) -> Iterator[Passed]:
    monkeypatch.setattr(systemd, "FIRST_FD", FIRST)
    monkeypatch.setattr(systemd, "BARRIER_S", 0.01)
    made = Passed(*manager)
    yield made
    made.close()


@pytest.fixture
def udp() -> Iterator[socket.socket]:
    with socket.socket(type=socket.SOCK_DGRAM) as made:
        made.bind(("127.0.0.1", 0))
        yield made


def queued(held: socket.socket) -> bytes:
    return held.recv(100, socket.MSG_DONTWAIT)


def test_a_socket_is_found_by_its_name_or_its_address(passed: Passed, udp: socket.socket) -> None:
    """With what has arrived at it; whoever takes it has it, and nobody else."""
    passed.add("udp_//metrics", udp)
    with socket.socket(type=socket.SOCK_DGRAM) as other, socket.socket(type=socket.SOCK_DGRAM) as s:
        other.bind(("127.0.0.1", 0))
        passed.add("unknown", other)
        s.sendto(b"named", udp.getsockname())
        s.sendto(b"bound", other.getsockname())
        store = passed.store()
        (by_name,) = store.take(Place("udp://metrics", [("127.0.0.1", 1)]))
        (by_address,) = store.take(Place("udp://127.0.0.1:1", [other.getsockname()]))
        assert (b"named", b"bound") == (queued(by_name), queued(by_address))
        assert [] == store.take(Place("udp://metrics", [other.getsockname()]))
        assert [] == store.drop_others()
        assert not by_name.get_inheritable()
        by_name.close()
        by_address.close()


def test_what_nobody_takes_is_dropped(passed: Passed, udp: socket.socket) -> None:
    """The manager is told to close it as well."""
    passed.add("left", udp)
    assert ["left"] == passed.store().drop_others()
    assert passed.ours.recv(100) == b"FDSTOREREMOVE=1\nFDNAME=left"
    assert passed.ours.recv(100) == b"BARRIER=1"


def test_what_a_listener_will_take_is_not_dropped(passed: Passed, udp: socket.socket) -> None:
    """It is kept anew where a namesake goes, for the manager closes both."""
    with socket.socket(type=socket.SOCK_DGRAM) as stale:
        stale.bind(("127.0.0.2", 0))
        passed.add("udp_//metrics", udp)
        passed.add("udp_//metrics", stale)
        store, place = passed.store(), Place("udp://metrics", [udp.getsockname()])
        assert ["udp_//metrics"] == store.drop_others([place])
        assert passed.ours.recv(100) == b"FDSTOREREMOVE=1\nFDNAME=udp_//metrics"
        assert passed.ours.recv(100) == b"FDSTORE=1\nFDNAME=udp_//metrics"
        (taken,) = store.take(place)
        assert udp.getsockname() == taken.getsockname()
        taken.close()


@pytest.mark.parametrize(
    ("name", "is_v6_only", "wants_v6_only", "is_taken"),
    [
        ("udp6_//_2", True, False, False),
        ("udp_//_2", False, True, False),
        ("udp6_//[__]_2", True, True, True),
        ("veneurpy.socket", True, False, True),
    ],
)
def test_a_socket_for_fewer_clients_is_not_taken(
    passed: Passed, name: str, is_v6_only: bool, wants_v6_only: bool, is_taken: bool
) -> None:
    """One that another URL has opened, that is; a socket unit's is as its unit says."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as held:
        held.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, is_v6_only)
        held.bind(("::", 0))
        passed.add(name, held)
        port = held.getsockname()[1]
        place = Place("udp://:1", [("::", port), ("0.0.0.0", port)], is_v6_only=wants_v6_only)
        store = passed.store()
        taken = store.take(place)
        assert is_taken == bool(taken)
        store.drop_others()
        for each in taken:
            each.close()


def test_sockets_are_taken_by_their_kind_and_once(passed: Passed, udp: socket.socket) -> None:
    """A listener of datagrams gets no stream socket; one that was kept in two ways is one."""
    with socket.socket() as stream:
        passed.add("a", stream)
        passed.add("b", udp)
        passed.add("c", udp)
        store = passed.store()
        assert [] == store.take(Place("a"))
        assert ["a", "b"] == store.drop_others()


def test_a_socket_without_a_name_is_of_its_address(passed: Passed, udp: socket.socket) -> None:
    """A manager that names nothing says nothing: LISTEN_FDNAMES is then empty, or not there."""
    passed.add("", udp)
    store = passed.store()
    assert [] == store.take(Place(""))
    (taken,) = store.take(Place("udp://127.0.0.1:1", [udp.getsockname()]))
    taken.close()


def test_what_is_meant_for_another_process_is_left_alone(
    passed: Passed, udp: socket.socket
) -> None:
    """LISTEN_PID says whose it is."""
    passed.add("a", udp)
    passed.environ["LISTEN_PID"] = "1"
    assert [] == passed.store().drop_others()


def test_a_socket_that_is_kept_outlives_its_owner(passed: Passed) -> None:
    """The manager gets a copy, under a name that it can take, and the queue with it."""
    with socket.socket(type=socket.SOCK_DGRAM) as owned, socket.socket(type=socket.SOCK_DGRAM) as s:
        owned.bind(("127.0.0.1", 0))
        passed.store().keep("udp://127.0.0.1:8125", [owned])
        address = owned.getsockname()
        owned.close()
        text, fds, _, _ = socket.recv_fds(passed.ours, 1000, 2)
        assert text == b"FDSTORE=1\nFDNAME=udp_//127.0.0.1_8125"
        s.sendto(b"later", address)
        with socket.socket(fileno=fds[0]) as kept:
            assert b"later" == queued(kept)


@pytest.mark.parametrize("name", ["udp://[::1]:8125", "udp://h\u00e4user:1", "u" * 400])
def test_names_are_such_as_systemd_takes(name: str) -> None:
    """ASCII without colons, 255 characters at the most, and the same each time."""
    made = fd_name(name)
    assert made.isascii()
    assert ":" not in made
    assert 0 < len(made) <= 255
    assert made == fd_name(name)


def test_the_unit_fits_the_daemon() -> None:
    """It waits for the longest stop of the defaults, and never ceases to start a node again."""
    unit = ConfigParser(strict=False, interpolation=None)
    unit.read(Path(__file__).parents[2] / "systemd" / "veneurpy.service")
    defaults = load_config(None, environ={}).config
    assert longest_s(defaults.shutdown_timeout) < unit.getint("Service", "TimeoutStopSec")
    assert ("always", "0") == (unit["Service"]["Restart"], unit["Unit"]["StartLimitIntervalSec"])
