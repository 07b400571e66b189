"""The node's own numbers as DogStatsD lines."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence

import pytest

from tests.recording import Recorder
from veneurpy.telemetry import Sample, Telemetry, metrics
from veneurpy.telemetry.statsd import MOST_BYTES, Lines, StatsSender, packed
from veneurpy.testing import FakeClock

LISTENER = "udp://127.0.0.1:8125"


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    """A socket on loopback that waits for nothing: what was sent is there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ours:
        ours.bind(("127.0.0.1", 0))
        ours.setblocking(False)
        yield ours


class Rig:
    """A sender to some address, which runs."""

    def __init__(self, address: tuple[str, int] | None, tags: Sequence[str] = ()) -> None:
        self.log = Recorder()
        self.telemetry = Telemetry(self.log, FakeClock())
        self.refreshed = 0
        self.sender = StatsSender(address, self.telemetry, tags=tags, refresh=self._refresh)

    def _refresh(self) -> None:
        self.refreshed += 1


async def datagram(receiver: socket.socket) -> bytes:
    """The next datagram."""
    async with asyncio.timeout(10):
        return await asyncio.get_running_loop().sock_recv(receiver, 65536)


async def test_everything_is_sent_after_a_flush(receiver: socket.socket) -> None:
    """Counters by how much they grew, gauges as they are, labels and the given tags as tags."""
    rig = Rig(receiver.getsockname(), ["env:prod"])
    running = asyncio.create_task(rig.sender.run())
    rig.telemetry.add(metrics.LINES, 12, listener=LISTENER)
    rig.telemetry.set(metrics.SERIES, 7)
    rig.telemetry.observe(metrics.CLOSE_SECONDS, 0.5)
    rig.sender.flushed()
    assert [
        b"veneurpy.close_seconds_count:1|c|#env:prod",
        b"veneurpy.close_seconds_sum:0.5|c|#env:prod",
        b"veneurpy.lines_total:12|c|#listener:udp://127.0.0.1:8125,env:prod",
        b"veneurpy.series:7|g|#env:prod",
    ] == sorted((await datagram(receiver)).splitlines())
    rig.telemetry.add(metrics.LINES, 3, listener=LISTENER)
    rig.sender.flushed()
    assert [
        b"veneurpy.lines_total:3|c|#listener:udp://127.0.0.1:8125,env:prod",
        b"veneurpy.series:7|g|#env:prod",
    ] == sorted((await datagram(receiver)).splitlines())
    assert rig.refreshed == 2
    running.cancel()


async def test_without_an_address_nothing_is_sent() -> None:
    """The task ends, and the last sending at the stop is none."""
    rig = Rig(None)
    async with asyncio.timeout(10):
        await rig.sender.run()
    rig.sender.send()
    assert (0, []) == (rig.refreshed, rig.log.lines)


class Lookups:
    """Stands for DNS: gives these answers one after the other, the last one for ever."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: object) -> None:
        self._answers = list(answers)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", self._look_up)

    async def _look_up(self, *args: object, **kwargs: object) -> object:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def info(family: int, *address: object) -> tuple[object, ...]:
    """What a look-up answers of one address."""
    return family, socket.SOCK_DGRAM, socket.IPPROTO_UDP, "", address


async def settle() -> None:
    """Lets the sender do whatever it can."""
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    "failure",
    [socket.gaierror("unknown"), UnicodeError("label too long"), TimeoutError()],
    ids=repr,
)
async def test_an_unknown_name_is_told_and_loses_nothing(
    failure: Exception, receiver: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked up again after each flush; then what was counted meanwhile is sent."""
    found = [info(socket.AF_INET, *receiver.getsockname())]
    Lookups(monkeypatch, failure, failure, found)
    rig = Rig(("stats", 8125))
    running = asyncio.create_task(rig.sender.run())
    rig.telemetry.add(metrics.INTERVALS, 5)
    for errors in (1, 2):
        await settle()
        assert rig.telemetry.value(metrics.STATS_ERRORS) == errors
        rig.sender.flushed()
    await settle()
    rig.sender.flushed()
    lines = (await datagram(receiver)).splitlines()
    assert {b"veneurpy.intervals_total:5|c", b"veneurpy.stats_errors_total:2|c"} <= set(lines)
    assert ["stats:8125"] == [line["address"] for line in rig.log.of("stats_unsent")]
    running.cancel()


async def test_a_datagram_that_cannot_be_sent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender goes on, and so does the node."""
    Lookups(monkeypatch, [info(socket.AF_INET, "255.255.255.255", 8125)])  # needs SO_BROADCAST
    rig = Rig(("stats", 8125))
    running = asyncio.create_task(rig.sender.run())
    rig.telemetry.set(metrics.SERIES, 7)
    for errors in (1, 2):
        rig.sender.flushed()
        await settle()
        assert rig.telemetry.value(metrics.STATS_ERRORS) == errors
    assert not running.done()
    running.cancel()


async def test_a_line_that_fits_no_datagram_is_told(receiver: socket.socket) -> None:
    """The others are sent."""
    rig = Rig(receiver.getsockname())
    running = asyncio.create_task(rig.sender.run())
    rig.telemetry.set(metrics.SINK_PENDING, 1, sink="x" * MOST_BYTES)
    rig.telemetry.set(metrics.SERIES, 7)
    rig.sender.flushed()
    assert b"veneurpy.series:7|g" == await datagram(receiver)
    assert rig.telemetry.value(metrics.STATS_ERRORS) == 1
    running.cancel()


async def test_ipv4_is_preferred(receiver: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name with both addresses is sent to as Veneur does."""
    there = info(socket.AF_INET, *receiver.getsockname())
    Lookups(monkeypatch, [info(socket.AF_INET6, "::1", 9, 0, 0), there])
    rig = Rig(("localhost", 8125))
    running = asyncio.create_task(rig.sender.run())
    rig.telemetry.set(metrics.SERIES, 7)
    rig.sender.flushed()
    assert b"veneurpy.series:7|g" == await datagram(receiver)
    running.cancel()


def test_tags_stay_tags() -> None:
    """Whatever a label or a tag of the configuration says, the line keeps its fields."""
    sample = Sample("veneurpy_sink_rows_total", "counter", {"reason": "a,b|c\nd"}, 1)
    assert [b"veneurpy.sink_rows_total:1|c|#reason:a_b_c_d,env:?"] == list(
        Lines(["env:\ud800"]).of([sample])
    )


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([], [], id="nothing"),
        pytest.param([b"aaa", b"bbb"], [b"aaa\nbbb"], id="fits exactly"),
        pytest.param([b"aaa", b"bbbb"], [b"aaa", b"bbbb"], id="one byte more"),
        pytest.param([b"a", b"b", b"c" * 7, b"d"], [b"a\nb", b"c" * 7, b"d"], id="in order"),
    ],
)
def test_lines_share_datagrams(lines: list[bytes], expected: list[bytes]) -> None:
    """As many as fit go together, one a row."""
    assert expected == list(packed(lines, most_bytes=7))
