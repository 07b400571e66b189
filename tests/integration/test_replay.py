"""A capture that is replayed publishes what the original did."""

from __future__ import annotations

import math
import random
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from datadog.dogstatsd import DogStatsd

from tests.daemon import Daemon, running_daemon
from tests.engines import engine_kinds, needs_native
from tests.integration.every_transport import SAMPLES, TRANSPORTS, Traffic
from veneurpy.capture.dogfile import HEADER, encode_datagram, encode_end
from veneurpy.cli import main
from veneurpy.engine import EngineKind

SETTINGS: dict[str, Any] = {"percentiles": [0.5, 0.99], "num_readers": 1}


Rows = list[tuple[tuple[str, ...], float]]


def rows_of(daemon: Daemon) -> Rows:
    """What it flushes at its end, sorted by name, tags and type."""
    assert 0 == daemon.stop()
    rows = [((r["name"], *r["tags"], r["type"]), r["value"]) for r in daemon.rows()]
    return sorted(rows)


def wait_for_lines(daemon: Daemon, count: int) -> None:
    """Spins until the open interval has so many lines."""
    lines = 0
    while lines < count:
        listeners = daemon.get("/api/v1/status")["open_interval"]["listeners"]
        lines = sum(each["lines"] for each in listeners.values())


def send_some(client: DogStatsd, seed: int) -> int:
    """Everything that has a value, with and without rates and tags; returns the lines."""
    chance = random.Random(seed)
    calls = (client.increment, client.gauge, client.histogram, client.timing, client.distribution)
    for i in range(400):
        tags = [f"shard:{chance.randrange(5)}", "env:test"][: chance.randrange(3)]
        chance.choice(calls)(f"replayed.{i % 7}", chance.uniform(-1e3, 1e3), tags)
        client.set("replayed.members", chance.randrange(1000), tags)
    client.flush()
    return 800


@pytest.mark.parametrize("scheme", ["udp", "unixgram"])
@engine_kinds
def test_a_replay_publishes_the_same(tmp_path: Path, kind: EngineKind, scheme: str) -> None:
    """Series, types and values of a fresh daemon are those of the one that was captured."""
    file = tmp_path / "c.dog"
    daemons: list[Rows] = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        gram = folder / "dsd"
        url = "udp://127.0.0.1:0" if scheme == "udp" else f"unixgram://{gram}"
        with running_daemon(
            folder, **SETTINGS, engine=kind, statsd_listen_addresses=[url]
        ) as daemon:
            if name == "first":
                where = {"port": daemon.port} if scheme == "udp" else {"socket_path": str(gram)}
                client = DogStatsd("127.0.0.1", **where, disable_telemetry=True, socket_timeout=5)  # type: ignore[arg-type]
                lines = send_some(client, 7)
                client.close_socket()
                wait_for_lines(daemon, lines)
                arguments = ["capture", "--address", daemon.http, "-o", str(file)]
            else:
                to = daemon.logged("started")[0]["listeners"]
                arguments = ["replay", str(file), "--to", to, "--speed", "20"]
            result = CliRunner().invoke(main, arguments)
            assert 0 == result.exit_code, result.output
            wait_for_lines(daemon, lines)
            daemons.append(rows_of(daemon))

    first, second = daemons
    assert len(first) > 50
    assert_same(first, second)


def assert_same(first: Rows, second: Rows) -> None:
    assert [key for key, _ in first] == [key for key, _ in second]
    for (key, one), (_, other) in zip(first, second, strict=True):
        assert math.isclose(one, other, rel_tol=1e-12, abs_tol=1e-9), key


@pytest.mark.parametrize(
    ("kind", "to"),
    [
        pytest.param("native", "unix", marks=needs_native),
        pytest.param("native", "unixpacket", marks=needs_native),
        ("python", "tcp"),
    ],
)
def test_every_transport(tmp_path: Path, kind: EngineKind, to: str) -> None:
    """What came by any transport is captured, and sent again by another gives the same points."""
    traffic, file = Traffic(tmp_path), tmp_path / "c.dog"
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    settings = {**SETTINGS, "engine": kind}
    with (
        traffic.stdin.open("rb") as stdin,
        running_daemon(tmp_path, stdin, **settings, **traffic.settings) as daemon,
    ):
        lines = traffic.send(daemon)
        wait_for_lines(daemon, lines)
        result = CliRunner().invoke(main, ["capture", "--address", daemon.http, "-o", str(file)])
        assert 0 == result.exit_code, result.output
        first = rows_of(daemon)
    url = "tcp://127.0.0.1:0" if to == "tcp" else f"{to}://{fresh / 'socket'}"
    with running_daemon(fresh, **settings, statsd_listen_addresses=[url]) as daemon:
        listening = daemon.logged("started")[0]["listeners"]
        result = CliRunner().invoke(main, ["replay", str(file), "--to", listening])
        assert 0 == result.exit_code, result.output
        wait_for_lines(daemon, lines)
        second = rows_of(daemon)

    for name, total in [(f"{way}.{name}", SAMPLES[name]) for way in TRANSPORTS for name in SAMPLES]:
        assert total == sum(value for key, value in first if key[0] == name), name
    assert_same(first, second)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.dog", "--to", "udp://127.0.0.1:9"], "cannot be read: No such file"),
        ([__file__, "--to", "udp://127.0.0.1:9"], "is no capture"),
        ([__file__, "--to", "ftp://x"], 'unknown scheme "ftp"'),
        ([__file__, "--to", "udp://127.0.0.1:9", "--speed", "0"], "expected original, max, or"),
    ],
)
def test_what_cannot_be_replayed(arguments: list[str], message: str) -> None:
    """What is wrong with the file or the arguments is said."""
    result = CliRunner().invoke(main, ["replay", *arguments])

    assert result.exit_code in (1, 2)
    assert message in result.output


def test_nobody_listens(tmp_path: Path) -> None:
    """A receiver that is not there ends the replay with an error."""
    file = tmp_path / "c.dog"
    body = b"".join(encode_datagram(i, b"a:1|c") for i in range(100))
    file.write_bytes(HEADER + body + encode_end())
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        to = f"tcp://127.0.0.1:{held.getsockname()[1]}"
        result = CliRunner().invoke(main, ["replay", str(file), "--to", to])

    assert 1 == result.exit_code
    assert "is somebody listening there?" in result.output
