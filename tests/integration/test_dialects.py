"""Listeners of one daemon that read their lines differently."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.daemon import Daemon, running_daemon
from tests.engines import needs_native

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
