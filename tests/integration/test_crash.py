"""What a killed daemon leaves, and what its successor makes of it."""

from __future__ import annotations

import signal
import socket
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
        first = Life(tmp_path, held, settings(tmp_path, port))
        first.wait_until_started()
        first.end(number)
        send(port, 50)
        second = Life(tmp_path, held, settings(tmp_path, port, shutdown="flush"))
        second.wait_until_started()
        log = second.end(signal.SIGTERM)
    assert "sockets_taken" in [line["event"] for line in log]
    assert 50 == published_sum(tmp_path / "points.jsonl")
    assert [] == [line for line in log if line["event"] == "ledger_violated"]


def test_a_second_daemon_on_the_same_directories_is_refused(tmp_path: Path) -> None:
    """With one sentence, and the first goes on."""
    with udp_socket(1 << 20) as one, udp_socket(1 << 20) as two:
        first = Life(tmp_path, one, settings(tmp_path, one.getsockname()[1]))
        first.wait_until_started()
        (tmp_path / "second").mkdir()
        second = Life(tmp_path / "second", two, settings(tmp_path, two.getsockname()[1]))
        assert 1 == second.process.wait(30)
        text = (tmp_path / "second" / "log").read_text()
        assert "is in use by another veneurpy" in text.splitlines()[-1]
        assert "Traceback" not in text
        first.end(signal.SIGKILL)
