"""Captures of real daemons, by the command."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from datadog.dogstatsd import DogStatsd

from tests.daemon import Daemon, running_daemon
from tests.engines import engine_kinds
from veneurpy.capture.dogfile import CaptureFile
from veneurpy.cli import main
from veneurpy.engine import EngineKind


def capture(address: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["capture", "--address", address, *arguments])


def lines_of(path: Path) -> list[bytes]:
    with CaptureFile(path) as file:
        return [line for datagram in file for line in datagram.payload.split(b"\n") if line]


def wait_for_lines(daemon: Daemon, count: int) -> None:
    """Spins until the open interval has so many lines."""
    lines = 0
    while lines < count:
        listeners = daemon.get("/api/v1/status")["open_interval"]["listeners"]
        lines = sum(each["lines"] for each in listeners.values())


@engine_kinds
def test_every_transport(tmp_path: Path, kind: EngineKind) -> None:
    """What came by UDP, Unix datagrams, TCP, a Unix stream and HTTP is in the capture."""
    gram, stream = tmp_path / "dgram", tmp_path / "stream"
    urls = ["udp://127.0.0.1:0", f"unixgram://{gram}", f"unix://{stream}", "tcp://127.0.0.1:0"]
    with running_daemon(
        tmp_path, statsd_listen_addresses=urls, http_statsd=True, engine=kind
    ) as daemon:
        listeners = daemon.logged("started")[0]["listeners"].split()
        tcp = int(next(each for each in listeners if "tcp" in each).rpartition(":")[2])
        for client in (
            DogStatsd("127.0.0.1", daemon.port, disable_telemetry=True),
            DogStatsd(socket_path=str(gram), disable_telemetry=True),
        ):
            client.increment("by.client", 3, tags=["x:1"])
            client.flush()
            client.close_socket()
        with socket.create_connection(("127.0.0.1", tcp)) as peer:
            peer.sendall(b"by.tcp:1|c\n")
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(stream))
            peer.sendall(b"\x0b\0\0\0by.unix:1|c")
        post(daemon, b"by.http:1|c")
        wait_for_lines(daemon, 5)
        result = capture(daemon.http, "-o", str(tmp_path / "c.dog"))

    assert "5 datagrams" in result.output, result.output
    expected = {b"by.tcp:1|c", b"by.unix:1|c", b"by.http:1|c", b"by.client:3|c|#x:1"}
    assert expected == set(lines_of(tmp_path / "c.dog"))
    assert 0o600 == (tmp_path / "c.dog").stat().st_mode & 0o777


def post(daemon: Daemon, body: bytes) -> None:
    urllib.request.urlopen(f"{daemon.http}/api/v1/statsd", data=body, timeout=5).close()


def test_next(tmp_path: Path) -> None:
    """With --next there is what comes from now on, and nothing from before."""
    with running_daemon(tmp_path) as daemon, socket.socket(type=socket.SOCK_DGRAM) as sender:
        sender.connect(("127.0.0.1", daemon.port))
        sender.send(b"before:1|c")
        wait_for_lines(daemon, 1)
        results: list[Result] = []
        arguments = ("--next", "1500ms", "--zstd", "-o", str(tmp_path / "n.dog"))
        taking = threading.Thread(
            target=lambda: results.append(capture(daemon.http, *arguments)), daemon=True
        )
        taking.start()
        while taking.is_alive():
            sender.send(b"during:1|c")
            taking.join(0.02)

    assert 0 == results[0].exit_code, results[0].output
    assert b"\x28\xb5\x2f\xfd" == (tmp_path / "n.dog").read_bytes()[:4]
    assert {b"during:1|c"} == set(lines_of(tmp_path / "n.dog"))


def test_off(tmp_path: Path) -> None:
    """With capture_bytes 0 the command says so, and leaves no file."""
    with running_daemon(tmp_path, capture_bytes=0) as daemon:
        result = capture(daemon.http, "-o", str(tmp_path / "c.dog"))

    assert 1 == result.exit_code
    assert "capture_bytes is 0: nothing is kept for captures" in result.output
    assert not list(tmp_path.glob("c.dog*"))


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("last=soon", 400, "last: "),
        ("next=2h", 400, "next is at most 3600s"),
        ("next=-1s", 400, "next: "),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, query: str, status: int, text: str) -> None:
    """A question that means nothing is answered with what is expected."""
    with running_daemon(tmp_path) as daemon:
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{daemon.http}/api/v1/capture?{query}", timeout=5)
        with caught.value as answer:
            assert (status, True) == (answer.code, answer.read().decode().startswith(text))


def test_nobody_there(tmp_path: Path) -> None:
    """Where no daemon answers, the command says so."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        result = capture(f"127.0.0.1:{held.getsockname()[1]}", "-o", str(tmp_path / "c.dog"))

    assert 1 == result.exit_code
    assert "no node answers at http://127.0.0.1" in result.output
