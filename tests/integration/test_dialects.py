"""Listeners of one daemon that read their lines differently."""

from __future__ import annotations

import signal
import socket
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from datadog.dogstatsd.base import DogStatsd
from statsd import StatsClient, TCPStatsClient

from tests.daemon import Daemon, running_daemon
from tests.engines import needs_native
from tests.integration.every_transport import post
from tests.waiting import wait_until

ENGINES = [pytest.param("python"), pytest.param("native", marks=needs_native)]


def send(url: str, text: str) -> None:
    """One datagram, or the lines of a connection, to where a listener says that it is."""
    scheme, _, place = url.partition("://")
    if scheme == "udp":
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(text.encode(), ("127.0.0.1", int(place.rpartition(":")[2])))
        return
    kind = socket.SOCK_DGRAM if scheme == "unixgram" else socket.SOCK_STREAM
    inet = scheme == "tcp"
    with socket.socket(socket.AF_INET if inet else socket.AF_UNIX, kind) as sender:
        sender.connect(("127.0.0.1", int(place.rpartition(":")[2])) if inet else place)
        sender.sendall(text.encode())


def urls(daemon: Daemon) -> list[str]:
    """Where its listeners are, in the order of the configuration."""
    return str(daemon.logged("started")[0]["listeners"]).split()


def port(url: str) -> int:
    """The port of a URL."""
    return int(url.rpartition(":")[2])


def points(daemon: Daemon) -> dict[tuple[str, ...], Any]:
    """What it has flushed: the value by name and tags."""
    return {(row["name"], *row["tags"]): row["value"] for row in daemon.rows()}


@pytest.mark.parametrize("engine", ENGINES)
def test_each_listener_has_its_name_tags(engine: str, tmp_path: Path) -> None:
    """Tags in names are read as the URL says, else as the key says, on every transport."""
    listeners = [
        "udp://127.0.0.1:0",
        "udp://127.0.0.1:0?name_tags=influxdb,graphite",
        f"unixgram://{tmp_path}/gram?name_tags=librato",
        f"unix://{tmp_path}/stream?name_tags=signalfx",
        "tcp://127.0.0.1:0?name_tags=none",
    ]
    settings = {
        "statsd_listen_addresses": listeners,
        "name_tags": ["librato"],
        "engine": engine,
        "hostname": "here",
    }
    with running_daemon(tmp_path, **settings) as daemon:
        for number, url in enumerate(urls(daemon)):
            lines = ["a,x=1:1|c", "b#x=1:1|c", "c[x=1]:1|c", "d;x=1:1|c", "e:1|c|#x:1"]
            send(url, "".join(f"{number}{line}\n" for line in lines))
        assert daemon.stop() == 0

    librato = {("0a,x=1",), ("0b", "x:1"), ("0c[x=1]",), ("0d;x=1",), ("0e", "x:1")}
    both = {("1a", "x:1"), ("1b#x=1",), ("1c[x=1]",), ("1d", "x:1"), ("1e", "x:1")}
    gram = {(row[0].replace("0", "2"), *row[1:]) for row in librato}
    signalfx = {("3a,x=1",), ("3b#x=1",), ("3c", "x:1"), ("3d;x=1",), ("3e", "x:1")}
    none = {("4a,x=1",), ("4b#x=1",), ("4c[x=1]",), ("4d;x=1",), ("4e", "x:1")}
    expected = librato | both | gram | signalfx | none
    assert dict.fromkeys(expected, 1) == points(daemon)


@pytest.mark.parametrize("engine", ENGINES)
def test_clients_of_both_dialects(engine: str, tmp_path: Path) -> None:
    """What the plain client calls a delta is one, and the official client's sign is none."""
    listeners = [
        "udp://127.0.0.1:0?dialect=statsd",
        "tcp://127.0.0.1:0?dialect=statsd",
        "udp://127.0.0.1:0",
    ]
    settings = {"statsd_listen_addresses": listeners, "engine": engine, "hostname": "here"}
    with running_daemon(tmp_path, **settings) as daemon:
        udp, tcp, dog = (port(url) for url in urls(daemon))
        with closing(StatsClient("127.0.0.1", udp)) as plain, plain.pipeline() as pipe:
            pipe.gauge("set", 7)
            pipe.gauge("set", 2.5, delta=True)
            pipe.gauge("set", -1, delta=True)
            pipe.gauge("unset", 3, delta=True)
            pipe.gauge("negative", 5)
            pipe.gauge("negative", -7)
            pipe.incr("count", 2)
        with closing(TCPStatsClient("127.0.0.1", tcp)) as stream:
            stream.gauge("stream", 4)
            stream.gauge("stream", -1, delta=True)
        client = DogStatsd("127.0.0.1", dog, disable_telemetry=True, disable_buffering=True)
        client.gauge("official", 5)
        client.gauge("official", -3)
        client.close_socket()
        send(urls(daemon)[0], "meter:3|m\nmeter:1|m")
        assert daemon.stop() == 0

    assert {
        ("set",): 8.5,
        ("unset",): 3,
        ("negative",): -7,
        ("count",): 2,
        ("stream",): 3,
        ("official",): -3,
        ("meter",): 4,
    } == points(daemon)


@pytest.mark.parametrize("engine", ENGINES)
def test_http_reads_lines_its_own_way(engine: str, tmp_path: Path) -> None:
    """Options behind `http:` are for what comes by HTTP, and for nothing else."""
    listeners = ["udp://127.0.0.1:0", "http:?dialect=statsd&name_tags=influxdb"]
    settings = {"statsd_listen_addresses": listeners, "engine": engine, "hostname": "here"}
    with running_daemon(tmp_path, **settings) as daemon:
        for name in ("udp", "http"):
            text = f"{name}:5|g\n{name}:+3|g\n{name}.count,x=1:2|c\n"
            if name == "http":
                post(daemon, text.encode())
            else:
                send(urls(daemon)[0], text)
        assert daemon.stop() == 0

    assert {
        ("udp",): 3,
        ("udp.count,x=1",): 2,
        ("http",): 8,
        ("http.count", "x:1"): 2,
    } == points(daemon)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_gauge_is_flushed_again(engine: str, tmp_path: Path) -> None:
    """With `gauge_ttl`, each interval has it, and a delta counts upon what it was."""
    settings = {"dialect": "statsd", "gauge_ttl": "1h", "interval": "100ms", "engine": engine}
    with running_daemon(tmp_path, **settings) as daemon:
        with closing(StatsClient("127.0.0.1", daemon.port)) as client:
            client.gauge("g", 7)
            wait_until(lambda: len(daemon.rows()) >= 3, "three intervals")
            client.gauge("g", -2, delta=True)
            wait_until(
                lambda: [row["value"] for row in daemon.rows()][-3:] == [5, 5, 5], "the change"
            )
        assert daemon.stop() == 0
    values = [row["value"] for row in daemon.rows()]
    assert [7] * values.count(7) + [5] * values.count(5) == values
    times = [row["timestamp"] for row in daemon.rows()]
    assert sorted(set(times)) == times


@needs_native
def test_a_gauge_outlives_the_daemon(tmp_path: Path) -> None:
    """A daemon that is killed leaves what its gauges were to the next one."""
    (tmp_path / "state").mkdir()
    settings = {
        "dialect": "statsd",
        "gauge_ttl": "1h",
        "interval": "100ms",
        "state_dir": str(tmp_path / "state"),
        "arena_dir": str(tmp_path / "arenas"),
        "store_max_bytes": "32MiB",
    }
    with running_daemon(tmp_path, **settings) as first:
        with closing(StatsClient("127.0.0.1", first.port)) as client:
            client.gauge("g", 7)
            wait_until(lambda: len(first.rows()) >= 3, "three intervals")
        first.stop(signal.SIGKILL)
    count = len(first.rows())
    with running_daemon(tmp_path, **settings) as second:
        wait_until(lambda: len(second.rows()) > count, "the next one flushes it")
        with closing(StatsClient("127.0.0.1", second.port)) as client:
            client.gauge("g", 1, delta=True)
            wait_until(lambda: second.rows()[-1]["value"] == 8, "the change")
        second.stop()
    assert [] == [line for line in second.log if line.get("event") == "ledger_violated"]
    values = [row["value"] for row in second.rows()]
    assert [7] * values.count(7) + [8] * values.count(8) == values
