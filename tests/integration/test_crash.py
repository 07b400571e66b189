"""What a killed daemon leaves, and what its successor makes of it."""

from __future__ import annotations

import json
import signal
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.held import udp_socket
from benchmarks.kills import Life, published_sum, run
from tests.engines import needs_native

pytestmark = needs_native


def settings(folder: Path, port: int, **more: object) -> dict[str, object]:
    (folder / "state").mkdir(exist_ok=True)
    sink = {"kind": "localfile", "config": {"flush_file": str(folder / "points.jsonl")}}
    return {
        "statsd_listen_addresses": [f"udp://127.0.0.1:{port}"],
        "http_address": "",
        "interval": "24h",
        "state_dir": str(folder / "state"),
        "arena_dir": str(folder / "arenas"),
        "store_max_bytes": "64MiB",
        "metric_sinks": [sink],
        "log_format": "json",
        **more,
    }


def send(port: int, datagrams: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for _ in range(datagrams):
            sender.sendto(b"hits:1|c", ("127.0.0.1", port))


def test_kills_lose_nothing_that_was_aggregated() -> None:
    """Under load, at random moments, several in a row; nothing is counted twice either."""
    outcome = run(kills=3, rate=1000.0, seed=7)
    assert [] == [verdict for verdict in outcome.verdicts() if not verdict.holds]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda n: n.name)
def test_what_arrives_while_nobody_lives_is_read_by_the_next(
    tmp_path: Path, number: signal.Signals
) -> None:
    """And is published with what the one before had aggregated, as one interval."""
    with udp_socket(1 << 20) as held:
        port = int(held.getsockname()[1])
        first = Life(tmp_path, {"held": held}, settings(tmp_path, port))
        first.wait_until_started()
        first.end(number)
        send(port, 50)
        second = Life(tmp_path, {"held": held}, settings(tmp_path, port, shutdown="flush"))
        second.wait_until_started()
        log = second.end(signal.SIGTERM)
    assert "sockets_taken" in [line["event"] for line in log]
    assert 50 == published_sum(tmp_path / "points.jsonl")
    assert [] == [line for line in log if line["event"] == "ledger_violated"]


def test_what_is_kept_with_the_service_manager_is_read_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon gives its own socket away; what comes while nobody lives waits there."""
    url = "udp://127.0.0.1:0"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        first = Life(tmp_path, {}, settings(tmp_path, 0, statsd_listen_addresses=[url]))
        text, fds, _, _ = socket.recv_fds(manager, 1000, 4)
        assert text.startswith(b"FDSTORE=1\nFDNAME=")
        (name,) = [line[7:].decode() for line in text.splitlines() if line[:7] == b"FDNAME="]
        with socket.socket(fileno=fds[0]) as kept:
            port = kept.getsockname()[1]
            first.wait_until_started()
            first.end(signal.SIGKILL)
            send(port, 50)
            second = Life(
                tmp_path,
                {name: kept},
                settings(tmp_path, 0, statsd_listen_addresses=[url], shutdown="flush"),
            )
            second.wait_until_started()
            second.end(signal.SIGTERM)
    assert 50 == published_sum(tmp_path / "points.jsonl")


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        (socket.SOCK_DGRAM, {"statsd_listen_addresses": ["udp://0.0.0.0:{port}"]}),
        (
            socket.SOCK_STREAM,
            {"http_address": "127.0.0.1:{port}", "statsd_listen_addresses": ["udp://127.0.0.1:0"]},
        ),
    ],
    ids=["wider", "for HTTP"],
)
def test_a_socket_of_an_address_that_was_changed_is_in_nobodys_way(
    tmp_path: Path, kind: socket.SocketKind, change: dict[str, object]
) -> None:
    """Else a node whose sockets are kept would never start again, whatever restarts it."""
    with socket.socket(type=kind) as kept:
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        changed = json.loads(json.dumps(change).replace("{port}", str(port)))
        life = Life(
            tmp_path, {f"udp_//127.0.0.1_{port}": kept}, settings(tmp_path, port, **changed)
        )
    life.wait_until_started()
    log = life.end(signal.SIGTERM)
    assert "sockets_dropped" in [line["event"] for line in log]


def owed(path: Path) -> int:
    """How many calls of sinks a spool still has."""
    with closing(sqlite3.connect(path)) as db:
        (count,) = db.execute("SELECT count(*) FROM deliveries").fetchone()
    return int(count)


def test_a_broken_disk_and_a_death_count_nothing_twice(tmp_path: Path) -> None:
    """What was delivered from memory, for want of a disk, is not published by the next process."""
    with udp_socket(1 << 20) as held:
        port = int(held.getsockname()[1])
        first = Life(tmp_path, {"held": held}, settings(tmp_path, port, interval="200ms"))
        first.wait_until_started()
        with closing(sqlite3.connect(tmp_path / "state" / "spool.db")) as db:
            db.execute("ALTER TABLE encoded RENAME TO hidden")
            send(port, 50)
            first.wait_until(lambda: published_sum(tmp_path / "points.jsonl") == 50)
            first.wait_until(lambda: not owed(tmp_path / "arenas" / "spool.db"))
            log = first.end(signal.SIGKILL)
            db.execute("ALTER TABLE hidden RENAME TO encoded")
        second = Life(
            tmp_path, {"held": held}, settings(tmp_path, port, interval="200ms", shutdown="flush")
        )
        second.wait_until_started()
        second.end(signal.SIGTERM)
    assert "commit" in [line["what"] for line in log if line["event"] == "spool_failed"]
    rows = (tmp_path / "points.jsonl").read_text().splitlines()
    assert 50 == sum(json.loads(row)["value"] for row in rows)


def test_a_second_daemon_on_the_same_directories_is_refused(tmp_path: Path) -> None:
    """With one sentence, and the first goes on."""
    with udp_socket(1 << 20) as one, udp_socket(1 << 20) as two:
        first = Life(tmp_path, {"one": one}, settings(tmp_path, one.getsockname()[1]))
        first.wait_until_started()
        (tmp_path / "second").mkdir()
        second = Life(tmp_path / "second", {"two": two}, settings(tmp_path, two.getsockname()[1]))
        assert 1 == second.process.wait(30)
        text = (tmp_path / "second" / "log").read_text()
        assert "is in use by another veneurpy" in text.splitlines()[-1]
        assert "Traceback" not in text
        first.end(signal.SIGKILL)
