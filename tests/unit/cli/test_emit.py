"""`veneurpy emit`: which lines its flags send, and how it ends."""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from veneurpy.cli import main


class Server:
    """A UDP socket that a test reads what was sent from: over loopback it is there at once."""

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.bind((host, 0))
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    def received(self) -> list[str]:
        """The datagrams that have come, oldest first."""
        datagrams = []
        while True:
            try:
                datagrams.append(self._socket.recv(65536).decode())
            except BlockingIOError:
                return datagrams

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def server() -> Iterator[Server]:
    opened = Server("127.0.0.1")
    yield opened
    opened.close()


def emit(server: Server, *arguments: str) -> Result:
    address = f"127.0.0.1:{server.port}"
    return CliRunner().invoke(main, ["emit", "-hostport", address, *arguments])


EVENT = ["-mode", "event", "-e_title", "An event", "-e_text", "text\nhere"]
CHECK = ["-mode", "sc", "-sc_name", "myName", "-sc_status", "1"]


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        pytest.param(["-name", "m", "-count", "3"], ["m:3|c"], id="counter"),
        pytest.param(["--name", "m", "--count=3"], ["m:3|c"], id="two dashes"),
        pytest.param(["-name=m", "-count=3"], ["m:3|c"], id="one dash and equals"),
        pytest.param(["-name", "m", "-gauge", "3.25"], ["m:3.25|g"], id="gauge"),
        pytest.param(["-name", "m", "-gauge", "-2"], ["m:-2|g"], id="negative gauge"),
        pytest.param(["-name", "m", "-timing", "1m30.5s"], ["m:90500|ms"], id="timing"),
        pytest.param(["-name", "m", "-timing", "100ns"], ["m:0.0001|ms"], id="short timing"),
        pytest.param(["-name", "m", "-histogram", "7"], ["m:7|h"], id="histogram"),
        pytest.param(["-name", "m", "-set", "a:b"], ["m:a:b|s"], id="set"),
        pytest.param(
            ["-name", "m", "-count", "99999999999"], ["m:99999999999|c"], id="beyond a float32"
        ),
        pytest.param(
            ["-tag", "a:b,c", "-set", "u", "-gauge", "2", "-name", "m", "-count", "1"],
            ["m:1|c|#a:b,c", "m:2|g|#a:b,c", "m:u|s|#a:b,c"],
            id="several in fixed order",
        ),
        pytest.param(EVENT, ["_e{8,10}:An event|text\\nhere"], id="event"),
        pytest.param(
            [*EVENT, "-e_priority", "low"], ["_e{8,10}:An event|text\\nhere|p:low"], id="p"
        ),
        pytest.param(
            [
                *[*EVENT, "-e_time", "1501002564", "-e_hostname", "tester.host"],
                *["-e_aggr_key", "testEvents", "-e_priority", "low", "-e_source_type", "tester"],
                *["-e_alert_type", "warning", "-e_event_tags", "err_type:bad", "-tag", "a"],
            ],
            [
                "_e{8,10}:An event|text\\nhere|d:1501002564|h:tester.host|k:testEvents|p:low"
                "|s:tester|t:warning|#a,err_type:bad"
            ],
            id="event with every field",
        ),
        pytest.param(CHECK, ["_sc|myName|1"], id="service check"),
        pytest.param(
            [
                *[*CHECK, "--sc-time", "7", "--sc-hostname", "h", "--sc_tags", "a:b"],
                *["--sc-msg", "broken\nagain", "--tag", "c"],
            ],
            ["_sc|myName|1|d:7|h:h|#c,a:b|m:broken\\nagain"],
            id="service check with every field",
        ),
    ],
)
def test_flags_send(server: Server, arguments: list[str], lines: list[str]) -> None:
    """Each value given is one datagram, in an order that does not change."""
    result = emit(server, *arguments)
    assert (0, "") == (result.exit_code, result.output)
    assert lines == server.received()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        pytest.param(["-name", "m"], "give a value", id="no value"),
        pytest.param(["-count", "1"], "needs a --name", id="no name"),
        pytest.param(["-name", "m", "-count", "x"], "not a valid float", id="not a number"),
        pytest.param(["-name", "m", "-gauge", "nan"], "finite", id="nan"),
        pytest.param(["-name", "m", "-timing", "3"], "unit is missing", id="no unit"),
        pytest.param(["-name", "a|b", "-count", "1"], "cannot contain '|'", id="bad name"),
        pytest.param(["-mode", "metrics"], "'metrics' is not one of", id="unknown mode"),
        pytest.param(["-mode", "event", "-e_title", "t"], "--e-text", id="event without text"),
        pytest.param(["-mode", "event", "-e_text", "t"], "--e-title", id="event without title"),
        pytest.param(["-mode", "sc", "-sc_name", "n"], "--sc-status", id="check without status"),
        pytest.param(["-mode", "sc", "-sc_status", "0"], "--sc-name", id="check without name"),
        pytest.param([*CHECK, "-sc_status", "4"], "0<=x<=3", id="status 4"),
        pytest.param(["-name", "m", "-command"], "need each other", id="command without program"),
        pytest.param(["-name", "m", "-count", "1", "true"], "need each other", id="program alone"),
        pytest.param([*CHECK, "-command", "true"], "--mode metric only", id="check and command"),
        pytest.param(["-hostport", "tcp://h:1"], "only udp://", id="tcp"),
        pytest.param(["-hostport", "unix:///tmp/s"], "only udp://", id="unix"),
        pytest.param(["-hostport", "localhost"], "expected host:port", id="no port"),
        pytest.param(["-hostport", "localhost:x"], "expected host:port", id="port is a word"),
        pytest.param(["-ssf"], "No such option", id="unknown flag"),
    ],
)
def test_mistakes(server: Server, arguments: list[str], complaint: str) -> None:
    """A mistake is named, nothing is sent or run, and the exit code says so."""
    result = emit(server, *arguments)
    assert result.exit_code == 2
    assert complaint in result.output
    assert [] == server.received()


def test_last_hostport_wins(server: Server) -> None:
    """A flag that is given twice counts as given last."""
    address = f"udp://127.0.0.1:{server.port}"
    flags = ["-hostport", "127.0.0.1:9", "-hostport", address, "-name", "m", "-count", "1"]
    assert CliRunner().invoke(main, ["emit", *flags]).exit_code == 0
    assert ["m:1|c"] == server.received()


def test_ipv6() -> None:
    """An IPv6 address stands in brackets."""
    server = Server("::1")
    address = f"udp://[::1]:{server.port}"
    result = CliRunner().invoke(main, ["emit", "-hostport", address, "-name", "m", "-count", "1"])
    assert result.exit_code == 0
    assert ["m:1|c"] == server.received()
    server.close()


def test_nobody_listens(server: Server) -> None:
    """When the host answers that nobody listens, the metric is known to be lost."""
    server.close()
    result = emit(server, "-name", "m", "-count", "1")
    assert result.exit_code == 1
    assert "Connection refused" in result.output


def test_debug_shows_what_is_sent(server: Server) -> None:
    """--debug writes each line to stderr."""
    result = emit(server, "-name", "m", "-count", "1", "-debug")
    assert "m:1|c\n" == result.stderr


@pytest.mark.parametrize(
    ("program", "exit_code"),
    [
        pytest.param(["sh", "-c", "exit 42"], 42, id="its own"),
        pytest.param(["sh", "-c", "kill -TERM $$"], 128 + signal.SIGTERM, id="by a signal"),
        pytest.param(["true"], 0, id="success"),
    ],
)
def test_command(server: Server, program: list[str], exit_code: int) -> None:
    """A program is timed in milliseconds and its exit code passed on."""
    result = emit(server, "-name", "job", "-tag", "a:b", "-command", *program)
    assert exit_code == result.exit_code
    (line,) = server.received()
    name, value, rest = line.replace("|", ":", 1).split(":", 2)
    assert ("job", "ms|#a:b") == (name, rest)
    assert 0 < float(value) < 10_000


def test_command_keeps_its_output(server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    """What the program writes is what its caller sees, and its flags are its own."""
    script = "import sys; print(sys.argv[1]); print('bad', file=sys.stderr)"
    emit(server, "-name", "job", "-command", sys.executable, "-c", script, "--count=3")
    captured = capfd.readouterr()
    assert ("--count=3\n", "bad\n") == (captured.out, captured.err)


@pytest.mark.parametrize(
    ("program", "exit_code"),
    [pytest.param("missing", 127, id="not found"), pytest.param(".", 126, id="not executable")],
)
def test_command_that_cannot_run(
    server: Server, tmp_path: Path, program: str, exit_code: int
) -> None:
    """A program that cannot be run ends as it would in a shell, and nothing is timed."""
    result = emit(server, "-name", "job", "-command", str(tmp_path / program))
    assert exit_code == result.exit_code
    assert [] == server.received()


def test_command_without_server(server: Server) -> None:
    """A program's exit code is passed on although its time cannot be sent."""
    server.close()
    assert emit(server, "-name", "job", "-command", "sh", "-c", "exit 42").exit_code == 42
