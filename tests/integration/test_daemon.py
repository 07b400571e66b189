"""The life of a daemon: a real process, real sockets, real signals."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks.daemon import command_of
from tests.daemon import Daemon, rows_in, running_daemon
from tests.engines import Datagram, broken_equations, needs_native, run
from tests.waiting import wait_until
from veneurpy.engine import PointType
from veneurpy.flush.summarise import plan_of
from veneurpy.telemetry.statsd import MOST_BYTES

PATIENCE_S = 20.0
ENGINES = [pytest.param("python"), pytest.param("native", marks=needs_native)]

# Installed by lying on PYTHONPATH beside its metadata, as any package of sinks.
HANGING_SINK = '''
import asyncio, threading
from pydantic import BaseModel
from veneurpy.ports import FlushResult, WriteClass

class HangingSink:
    """Never returns; with `thread` it also leaves a thread that never ends."""
    write_class = WriteClass.VERSIONED
    takes_events = takes_checks = False

    class Config(BaseModel):
        thread: bool = False

    def __init__(self, config, context):
        self._thread = config.thread

    async def start(self): pass
    async def stop(self): pass

    async def flush(self, batch):
        if self._thread:
            await asyncio.to_thread(threading.Event().wait)
        await asyncio.Event().wait()
        return FlushResult(confirmed=len(batch))

    async def flush_events(self, events, checks):
        return FlushResult(confirmed=len(events) + len(checks))
'''


@pytest.fixture
def hanging_sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A plug-in of kind `hanging`, and an entry for it."""
    package = tmp_path / "plugin"
    metadata = package / "hanging-1.dist-info"
    metadata.mkdir(parents=True)
    (package / "hanging.py").write_text(HANGING_SINK)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[veneurpy.sinks]\nhanging = hanging:HangingSink\n")
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(package), before])))
    return {"kind": "hanging"}


def localfile(folder: Path) -> dict[str, Any]:
    """The sink that `Daemon.rows` reads."""
    return {"kind": "localfile", "config": {"flush_file": str(folder / "points.jsonl")}}


def send(daemon: Daemon, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", daemon.port))


def total(rows: list[dict[str, Any]], name: str) -> float:
    """The sum of all points of a name."""
    return sum(row["value"] for row in rows if row["name"] == name)


def one_listener(ledger: Any) -> Any:
    (accounts,) = ledger["total"]["listeners"].values()
    return accounts


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2],
    ids=lambda n: n.name,
)
def test_everything_sent_before_the_signal_is_flushed(
    tmp_path: Path, engine: str, number: signal.Signals
) -> None:
    """In the middle of an interval, with datagrams that nobody has read yet."""
    with running_daemon(tmp_path, engine=engine) as daemon:
        send(daemon, *[b"hits:1|c\nlatency:%d|ms" % i for i in range(1000)])
        assert daemon.stop(number) == 0
        rows = daemon.rows()
    assert (1000, 1000) == (total(rows, "hits"), total(rows, "latency.count"))
    (stopped,) = daemon.logged("stopped")
    assert (2000, 0) == (stopped["lines"], stopped["exit_code"])
    assert [] == daemon.logged("ledger_violated")
    assert daemon.logged("stopping")[0]["cause"] == number.name


@pytest.mark.parametrize("readers", [1, 2])
@pytest.mark.parametrize("engine", ENGINES)
def test_intervals_follow_one_another_and_the_ledger_holds(
    tmp_path: Path, engine: str, readers: int
) -> None:
    """Aligned, without gap or overlap; every datagram and row is accounted for at any time."""
    with running_daemon(tmp_path, engine=engine, num_readers=readers, interval="200ms") as daemon:
        sent = 0

        def traffic() -> bool:
            nonlocal sent
            send(daemon, *[b"hits:1|c\nbad"] * 10)
            sent += 10
            ledger = daemon.get("/api/v1/ledger")
            assert ledger["total"]["holds"]
            return bool(ledger["intervals"] >= 8)

        wait_until(traffic, "eight intervals")
        wait_until(
            lambda: one_listener(daemon.get("/api/v1/ledger"))["datagrams"] == sent, "all is read"
        )
        ledger = daemon.get("/api/v1/ledger")
        accounts = one_listener(ledger)
        assert daemon.stop() == 0
        rows = [row for row in daemon.rows() if row["name"] == "hits"]
    assert (2 * sent, sent) == (accounts["lines"], accounts["rejected"]["no_colon_or_pipe"])
    assert (0, 0) == (accounts["kernel_drops"], ledger["violations"])
    assert all(equation["holds"] for equation in ledger["last_interval"]["equations"])
    assert sent == total(rows, "hits")
    pieces = [(round(row["timestamp"] * 1000), round(row["interval_s"] * 1000)) for row in rows]
    assert all(start % 200 == 0 for start, _ in pieces[1:])
    assert {200} == {length for _, length in pieces[1:-1]}
    assert all(start + length <= later for (start, length), (later, _) in pairwise(pieces))


def test_a_hanging_sink_delays_nobody(tmp_path: Path, hanging_sink: dict[str, Any]) -> None:
    """The other sink gets every interval; at the end what hangs is named, within the time-out."""
    settings = {
        "metric_sinks": [hanging_sink, localfile(tmp_path)],
        "interval": "200ms",
        "flush_timeout": "1h",
    }
    with running_daemon(tmp_path, engine="python", shutdown_timeout="1s", **settings) as daemon:
        for _ in range(3):
            seen = len(daemon.rows())
            send(daemon, b"hits:1|c")
            wait_until(lambda seen=seen: len(daemon.rows()) > seen, "a flush")
        assert daemon.get("/api/v1/ledger")["total"]["sinks"]["hanging"]["points"]["pending"] == 3
        started = time.monotonic()
        assert daemon.stop() == 0
        assert time.monotonic() - started < 5
    assert total(daemon.rows(), "hits") == 3
    lost = daemon.logged("rows_lost")
    assert [("hanging", "given_up", "shutdown")] == [
        (line["sink"], line["fate"], line["reason"]) for line in lost
    ]


def test_a_second_signal_ends_at_once(tmp_path: Path, hanging_sink: dict[str, Any]) -> None:
    """Whoever cannot wait gets exit code 1."""
    settings = {"metric_sinks": [hanging_sink], "shutdown_timeout": "1h"}
    with running_daemon(tmp_path, engine="python", **settings) as daemon:
        send(daemon, b"hits:1|c")
        daemon.process.send_signal(signal.SIGTERM)
        wait_until(lambda: daemon.logged("stopping"), "it begins to stop")
        assert daemon.stop(signal.SIGINT) == 1


def test_hanging_up_twice_is_no_impatience(tmp_path: Path, hanging_sink: dict[str, Any]) -> None:
    """A closing terminal does so; what is under way gets its time, and SIGTERM still ends it."""
    settings = {"metric_sinks": [hanging_sink], "shutdown_timeout": "1s"}
    with running_daemon(tmp_path, engine="python", **settings) as daemon:
        send(daemon, b"hits:1|c")
        daemon.process.send_signal(signal.SIGHUP)
        wait_until(lambda: daemon.logged("stopping"), "it begins to stop")
        daemon.process.send_signal(signal.SIGUSR2)
        assert daemon.stop(signal.SIGHUP) == 0


def test_an_ignored_hang_up_stays_ignored(tmp_path: Path) -> None:
    """As under nohup: the node goes on."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with running_daemon(tmp_path, engine="python") as daemon:
            daemon.process.send_signal(signal.SIGHUP)
            send(daemon, b"hits:1|c")
            assert daemon.stop() == 0
    finally:
        signal.signal(signal.SIGHUP, before)
    assert daemon.logged("stopping")[0]["cause"] == "SIGTERM"
    assert total(daemon.rows(), "hits") == 1


def test_a_thread_that_hangs_does_not_keep_the_process(
    tmp_path: Path, hanging_sink: dict[str, Any]
) -> None:
    """The process ends soon after the node, whatever a sink has left behind."""
    sink = hanging_sink | {"config": {"thread": True}}
    settings = {
        "metric_sinks": [sink],
        "shutdown_timeout": "500ms",
        "interval": "200ms",
        "flush_timeout": "1h",
    }
    with running_daemon(tmp_path, engine="python", **settings) as daemon:
        send(daemon, b"hits:1|c")
        wait_until(lambda: daemon.get("/api/v1/status")["sinks"][0]["busy"], "the sink is called")
        assert daemon.stop() == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_its_own_metrics_are_sent(tmp_path: Path, engine: str) -> None:
    """After each flush and at the stop, as lines that an engine takes without a complaint."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stats:
        stats.bind(("127.0.0.1", 0))
        stats.settimeout(PATIENCE_S)
        settings = {
            "stats_address": f"udp://127.0.0.1:{stats.getsockname()[1]}",
            "veneur_metrics_additional_tags": ["env:test"],
        }
        with running_daemon(tmp_path, engine=engine, interval="200ms", **settings) as daemon:
            send(daemon, *[b"hits:1|c\nbad"] * 10)
            received = [stats.recv(65536)]
            assert daemon.stop() == 0
        stats.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                received.append(stats.recv(65536))
    outcome = run("python", [Datagram(data) for data in received], plan_of((), ()))
    assert (outcome.total.lines, []) == (outcome.total.accepted, broken_equations(outcome.total))
    assert {"env:test"} <= set.intersection(*(set(row.tags) for row in outcome.rows))
    assert max(map(len, received)) <= MOST_BYTES
    sums = {row.name: row.value for row in outcome.rows if row.type is PointType.COUNTER}
    # The last flush is told too: nothing that was counted is missing.
    assert (10, 20) == (sums["veneurpy.datagrams_total"], sums["veneurpy.lines_total"])
    assert sums["veneurpy.sink_rows_total"] == len(daemon.rows())


def test_its_own_metrics_may_come_to_itself(tmp_path: Path) -> None:
    """Each interval has the lines about the one before and no more: nothing swells."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = {"statsd_listen_addresses": [f"udp://{address}"], "stats_address": address}
    with running_daemon(tmp_path, engine="python", interval="200ms", **settings) as daemon:
        wait_until(lambda: daemon.get("/api/v1/ledger")["intervals"] >= 10, "ten intervals")
        assert daemon.stop() == 0
    lines = [row["value"] for row in daemon.rows() if row["name"] == "veneurpy.lines_total"]
    assert 5 <= len(lines)
    assert max(lines) < 100
    assert [] == daemon.logged("stats_unsent") == daemon.logged("ledger_violated")


@pytest.fixture
def manager(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The service manager's end of the notification socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ours:
        ours.bind(str(tmp_path / "notify"))
        ours.settimeout(PATIENCE_S)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "200000")
        monkeypatch.delenv("WATCHDOG_PID", raising=False)
        yield ours


def test_the_service_manager_is_told(tmp_path: Path, manager: socket.socket) -> None:
    """Which socket to keep, ready with its listeners, alive while it lives, stopping at its end.

    With the time that the end may take, or a unit's `TimeoutStopSec` cuts it short.
    """
    with running_daemon(tmp_path, engine="python", shutdown_timeout="60s") as daemon:
        assert b"FDSTORE=1\nFDNAME=udp_" == manager.recv(1000)[:21]
        ready = manager.recv(1000).decode().splitlines()
        assert ready[0] == "READY=1"
        assert f"udp://127.0.0.1:{daemon.port}" in ready[1]
        assert b"WATCHDOG=1" == manager.recv(1000) == manager.recv(1000)
        daemon.stop()
        told = []
        manager.settimeout(0)
        while True:
            try:
                told.append(manager.recv(1000))
            except BlockingIOError:
                break
    assert b"STOPPING=1\nEXTEND_TIMEOUT_USEC=68000000" in told


@pytest.mark.parametrize("closing", ["2>&-", ">&- 2>&-", "<&- 2>&-"])
def test_standard_streams_may_be_closed(tmp_path: Path, closing: str) -> None:
    """What takes their numbers is nothing that the node opens: it receives, and ends in order."""
    command = command_of(
        tmp_path,
        {
            "statsd_listen_addresses": ["stdin:"],
            "http_address": "",
            "engine": "python",
            "metric_sinks": [localfile(tmp_path)],
        },
    )
    shell = ["sh", "-c", f'exec "$@" {closing}', "sh", *command]
    ended = subprocess.run(shell, input=b"hits:1|c\n", timeout=PATIENCE_S, check=False)
    assert 0 == ended.returncode
    expected = [] if "<&-" in closing else ["hits"]
    assert expected == [row["name"] for row in rows_in(tmp_path / "points.jsonl")]


def fails(*arguments: str) -> tuple[int, str]:
    """The exit code and the complaint of a `run` that cannot start."""
    ended = subprocess.run(
        [sys.executable, "-m", "veneurpy", "run", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "Traceback" not in ended.stderr
    return ended.returncode, ended.stderr


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    """It names the address and the way to mend it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        url = f"udp://127.0.0.1:{other.getsockname()[1]}"
        code, text = fails("--listen", url, "--http", "127.0.0.1:0", "--engine", "python")
    assert code == 1
    assert text.splitlines()[-1].startswith(f"veneurpy: cannot listen on {url}: the address is")


def test_a_second_daemon_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when both have several readers, who could share the port."""
    monkeypatch.setenv("VENEURPY_NUM_READERS", "2")
    with running_daemon(tmp_path, engine="python") as daemon:
        url = f"udp://127.0.0.1:{daemon.port}"
        code, text = fails("--listen", url, "--http", "127.0.0.1:0", "--engine", "python")
    assert (1, True) == (code, "in use" in text)


def test_wrong_configurations_are_explained(tmp_path: Path) -> None:
    """All mistakes at once, as the loader prints them; nothing is started."""
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("intervall: 10s\npercentiles: [50]\n")
    code, text = fails("-f", str(wrong))
    assert code == 1
    assert f"{wrong}:1:1" in text
    assert f"{wrong}:2:15" in text


def test_wrong_usage(tmp_path: Path) -> None:
    """An unknown flag is the caller's mistake."""
    assert fails("--nonsense")[0] == 2
