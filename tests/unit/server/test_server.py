"""A node in this process, on a fake clock: start, service, shutdown."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.engines import needs_native
from tests.recording import Recorder
from tests.waiting import until
from veneurpy.config import parse_config
from veneurpy.config.loader import SinkKinds
from veneurpy.errors import ConfigError, ListenError, SinkError, VeneurpyError
from veneurpy.flush.flusher import Flusher
from veneurpy.ports import SinkContext
from veneurpy.server import Server
from veneurpy.server.assembly import new_engine
from veneurpy.testing import START_MS, FakeClock, MemorySink

CONFIG = """
engine: python
statsd_listen_addresses: ["udp://127.0.0.1:0"]
http_address: ""
hostname: web1
metric_sinks: [{kind: memory, name: one}, {kind: memory, name: two}]
"""


class Serving(MemorySink):
    """Serves a page, as the exposition does."""

    def __init__(self, config: MemorySink.Config, context: SinkContext) -> None:
        super().__init__(config, context)
        context.expose("/page", None)


class Rig:
    """A Server whose sinks are in memory; `run` starts it."""

    def __init__(self, text: str = CONFIG, sink: type[MemorySink] = MemorySink) -> None:
        kinds = SinkKinds(lambda: ["memory"], lambda kind: MemorySink.Config)
        self.clock = FakeClock()
        self.log = Recorder()
        self.made: list[MemorySink] = []

        def build(config: MemorySink.Config, context: SinkContext) -> MemorySink:
            self.made.append(sink(config, context))
            return self.made[-1]

        self.server = Server(
            parse_config(text, sinks=kinds).config,
            self.log,
            clock=self.clock,
            sink_class=lambda kind: build,  # type: ignore[arg-type,return-value]
            warnings=["a warning"],
        )
        self.task: asyncio.Task[int] | None = None

    async def run(self) -> None:
        """Starts it and returns when it takes traffic."""
        self.task = asyncio.create_task(self.server.run())
        ready = asyncio.create_task(self.server.running.wait())
        await asyncio.wait({self.task, ready}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self.task.done():
            self.task.result()

    async def stop(self) -> int:
        """Stops it; returns the exit code."""
        assert self.task is not None
        self.server.request_stop("test")
        async with asyncio.timeout(10):
            return await self.task

    def send(self, *datagrams: bytes) -> None:
        port = int(self.server.listeners[0].rpartition(":")[2])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for datagram in datagrams:
                sender.sendto(datagram, ("127.0.0.1", port))

    async def received(self, lines: int) -> None:
        """Waits, in real time, until so many lines are in the open interval."""
        await until(lambda: self._open_lines() >= lines)

    def _open_lines(self) -> int:
        accounts = self.server.node.status()["open_interval"]["listeners"].values()
        return sum(each["lines"] for each in accounts)

    async def flushed(self, intervals: int) -> None:
        """Waits, in real time, until so many intervals are through: a thread closes them."""
        await until(lambda: self.server.node.ledger()["intervals"] >= intervals)


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A node that takes traffic."""
    made = Rig()
    await made.run()
    yield made
    if made.task is not None and not made.task.done():
        assert await made.stop() == 0
    assert [] == made.log.of("ledger_violated")


async def test_points_of_an_interval_reach_every_sink(rig: Rig) -> None:
    """At the tick, and what came after it at the stop, as a piece cut short."""
    rig.send(b"hits:1|c")
    await rig.clock.run(10)
    await rig.flushed(1)
    await rig.clock.run(2.5)
    rig.send(b"hits:2|c")
    assert await rig.stop() == 0
    for sink in rig.made:
        assert [
            ("hits", 1.0, START_MS, 10.0, "web1"),
            ("hits", 2.0, START_MS + 10_000, 2.5, "web1"),
        ] == [(p.name, p.value, p.timestamp_ms, p.interval_s, p.host) for p in sink.points]


async def test_the_life_of_a_node_is_logged(rig: Rig) -> None:
    """Warnings of the configuration first, then start and end with their figures."""
    rig.send(b"hits:1|c\nbad")
    await rig.stop()
    assert ["config_warning", "listening", "started", "stopping", "stopped"] == rig.log.names
    assert {"warning": "a warning"} == rig.log.lines[0][2]
    assert {"lines": 2, "points": 1, "exit_code": 0} == rig.log.lines[-1][2]


async def test_every_sink_is_started_and_stopped_once(rig: Rig) -> None:
    """In that order."""
    await rig.stop()
    assert [["start", "stop"]] * 2 == [sink.calls for sink in rig.made]


async def test_readiness_follows_the_state(rig: Rig) -> None:
    """It is ready while it takes traffic, and says why when not."""
    assert rig.server.node.ready() == (True, [])
    await rig.stop()
    assert rig.server.node.ready() == (False, ["it is stopping"])


async def test_a_node_without_flushes_is_unhealthy(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flush that hangs is seen, whatever else still answers."""
    hang = asyncio.Event()

    async def hanging(self: Flusher, tick: object) -> None:
        await hang.wait()

    monkeypatch.setattr(Flusher, "flush", hanging)
    await rig.clock.run(34)
    assert rig.server.node.healthy()
    await rig.clock.run(2)
    assert not rig.server.node.healthy()
    hang.set()


async def test_the_status_shows_what_matters(rig: Rig) -> None:
    """The last flush, the open interval, listeners and sinks."""
    rig.send(b"hits:1|c")
    await rig.clock.run(10)
    await rig.flushed(1)
    await rig.clock.run(0)
    status = rig.server.node.status()
    assert ("running", True, "web1", "python") == tuple(
        status[key] for key in ("state", "healthy", "host", "engine")
    )
    assert status["last_flush"]["points"] == 1
    assert status["open_interval"]["start_ms"] == START_MS + 10_000
    assert [("one", 0), ("two", 0)] == [
        (sink["name"], sink["pending_points"]) for sink in status["sinks"]
    ]
    assert [rig.server.listeners[0]] == [each["name"] for each in status["listeners"]]
    assert b"veneurpy_points_total 1.0\n" in rig.server.node.exposition()
    assert rig.server.node.config()["hostname"] == "web1"
    assert rig.server.node.ledger()["total"]["holds"]


async def test_an_open_interval_shows_only_what_is_known_of_it(rig: Rig) -> None:
    """What is counted at its close is left out: a 0 would deny what there is."""
    rig.send(b"hits:1|c\nhits:x|c")
    await rig.received(2)
    (shown,) = rig.server.node.status()["open_interval"]["listeners"].values()
    assert (1, 2, 1, 1) == tuple(shown[key] for key in ("datagrams", "lines", "accepted", "values"))
    assert shown["rejected"]["bad_value"] == 1
    assert not {"aggregated", "filtered", "kernel_drops", "lost_in_crash"} & set(shown)


@pytest.mark.parametrize(("most", "estimated"), [(0, True), (10, False)])
async def test_whether_clients_are_estimated_is_told(most: int, estimated: bool) -> None:
    """Without a bound for clients only some batches are looked at: the page of clients says so."""
    rig = Rig(f"{CONFIG}\nmax_series_per_client: {most}\n")
    await rig.run()
    rig.send(b"hits:1|c")
    await rig.received(1)
    await rig.clock.run(10)
    await rig.flushed(1)
    page = rig.server.node.top("clients", "series", 5)
    assert page is not None
    assert estimated == page["estimated"]
    assert 0 == await rig.stop()


async def test_a_clock_that_was_set_back_is_told(rig: Rig) -> None:
    """Points go on where they were, and the log says by how much they are ahead."""
    rig.clock.jump(-3600)
    await rig.clock.run(10)
    await rig.flushed(1)
    await rig.clock.run(0)
    assert [3600.0] == [line["ahead_s"] for line in rig.log.of("clock_set_back")]
    assert b"veneurpy_clock_ahead_seconds 3600.0\n" in rig.server.node.exposition()


async def test_a_crash_ends_the_node(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, with exit code 1 and the traceback in the log, for a supervisor to restart it."""

    async def crash(self: Flusher, tick: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(Flusher, "flush", crash)
    await rig.clock.run(10)
    assert rig.task is not None
    async with asyncio.timeout(10):
        assert await rig.task == 1
    (crashed,) = rig.log.of("task_crashed")
    assert ("flush", "ZeroDivisionError: oops") == (crashed["task"], crashed["error"])
    assert "Traceback" in crashed["traceback"]
    assert ["crash of flush"] == [line["cause"] for line in rig.log.of("stopping")]
    assert [["start", "stop"]] * 2 == [sink.calls for sink in rig.made]


async def test_what_cannot_be_delivered_in_time_is_named(rig: Rig) -> None:
    """A hanging sink costs its rows, which the log names, and nobody else's."""
    rig.made[0].hang()
    rig.send(b"hits:1|c\nmore:1|c")
    stop = asyncio.create_task(rig.stop())
    await rig.clock.sleepers(3)
    while not stop.done():
        await rig.clock.run(11)
    assert await stop == 0
    (lost,) = rig.log.of("rows_lost")
    assert {"sink": "one", "fate": "given_up", "reason": "timeout", "rows": 2} == lost
    assert len(rig.made[1].points) == 2


async def fails(rig: Rig) -> BaseException:
    """What a start raises."""
    with pytest.raises((ConfigError, ListenError, SinkError)) as raised:
        await rig.run()
    return raised.value


async def test_a_sink_that_cannot_start_ends_the_start() -> None:
    """With its name and its own words; every sink is stopped, also those that never started."""
    rig = Rig()
    rig.made[1].fail(1, SinkError("no such folder", retriable=False))
    assert "sink two: no such folder" == str(await fails(rig))
    assert [["start", "stop"], ["start", "stop"]] == [sink.calls for sink in rig.made]


async def test_a_stop_in_the_midst_of_the_start_is_told() -> None:
    """Once: the start is finished first, and what it waits for may take its time."""
    rig = Rig()
    rig.made[1].hang()
    life = asyncio.create_task(rig.server.run())
    await until(lambda: "start" in rig.made[1].calls)
    rig.server.request_stop("SIGTERM")
    rig.server.request_stop("SIGTERM")
    assert [{"cause": "SIGTERM"}] == rig.log.of("stop_deferred")
    rig.made[1].release()
    assert await life == 0
    assert ["started", "stopping", "stopped"] == rig.log.names[-3:]


async def test_a_listener_that_cannot_start_ends_the_start() -> None:
    """What was opened before it is closed again."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        urls = f'["udp://127.0.0.1:0", "udp://127.0.0.1:{taken.getsockname()[1]}"]'
        rig = Rig(CONFIG.replace('["udp://127.0.0.1:0"]', urls))
        assert "in use" in str(await fails(rig))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as again:
        again.bind(("127.0.0.1", int(rig.server.listeners[0].rpartition(":")[2])))


async def test_two_sinks_on_one_path_are_refused() -> None:
    """Before anything is opened."""
    with pytest.raises(ConfigError, match="sink two: another sink serves /page"):
        Rig(sink=Serving)


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("interval: 10s", socket.gethostname()),
        ("hostname: db7", "db7"),
        ("omit_empty_hostname: true", ""),
        ("{hostname: db7, omit_empty_hostname: true}", "db7"),
    ],
)
def test_the_host_of_the_points(settings: str, expected: str) -> None:
    """The configured name, else that of the operating system, unless it is not wanted."""
    config: Any = parse_config(settings).config
    assert expected == Server(config, Recorder()).host


class Talkative(MemorySink):
    """Logs what it is given."""

    async def start(self) -> None:
        assert self.context is not None
        self.context.log("warning", "greeting", name="a detail")


async def test_a_sink_logs_where_the_node_does() -> None:
    """With its level and name, among the node's own lines and nowhere else."""
    rig = Rig(sink=Talkative)
    await rig.run()
    await rig.stop()
    lines = [line for line in rig.log.lines if line[1] == "greeting"]
    assert [
        (30, "greeting", {"sink": name, "name": "a detail"}) for name in ("one", "two")
    ] == lines


@needs_native
@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OSError(30, "Read-only file system", "{}/lock"), "arena_dir {} cannot be used: Read-only"),
        (OSError(28, "No space left on device"), "arena_dir {} cannot be used: No space left"),
        (OSError(2, "No such file", "/proc/sys/x"), "the engine cannot be opened: /proc/sys/x: No"),
    ],
    ids=["a file of it", "no file", "another file"],
)
def test_what_keeps_an_engine_from_its_start_is_named(
    tmp_path: Path, error: OSError, says: str
) -> None:
    """By the file that it is about, which need not be one of `arena_dir`."""
    arenas = tmp_path / "arenas"
    if error.filename is not None:
        error.filename = error.filename.format(arenas)

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise error

    config = parse_config(f"{{state_dir: {tmp_path}, arena_dir: {arenas}}}").config
    with pytest.raises(VeneurpyError, match=says.format(arenas)):
        new_engine(config, refuse, START_MS)


@needs_native
async def test_a_store_without_room_is_said_in_a_sentence(tmp_path: Path) -> None:
    """A file system that cannot hold the arenas ends the start with what to do."""
    dirs = f"state_dir: {tmp_path}\narena_dir: {tmp_path}/arenas\n"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, hard))
    try:
        with pytest.raises(ListenError, match=rf"^cannot listen on .* arena_dir {tmp_path}/arenas"):
            await Rig(CONFIG.replace("python", "native") + dirs).run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
