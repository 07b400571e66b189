"""The statsd sink: what is on the wire, and what is known of it when something fails."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace

import pytest
import uvloop

from veneurpy.errors import SinkError
from veneurpy.ports import FlushBatch, FlushResult
from veneurpy.sinks.statsd import StatsdSink
from veneurpy.testing import FakeContext, Row, batch

ROWS: tuple[Row, ...] = (
    ("hits", 3.0, "counter", "b,a:1"),
    ("load", 0.25),
    ("db.up", 2.0, "status", "db:main"),
    ("v:a|ue", -1e300, "gauge", "k:a|b"),
)
LINES = (
    b"hits:3|c|#a:1,b",
    b"load:0.25|g",
    b"db.up:2|g|#db:main",
    b"v_a_ue:-1e+300|g|#k:a_b",
)


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    """A UDP socket on a free port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


def port_of(sock: socket.socket) -> int:
    return int(sock.getsockname()[1])


async def flushed(flush: FlushBatch, address: str, **options: object) -> FlushResult:
    """What a sink makes of one batch."""
    sink = StatsdSink(StatsdSink.Config(address=address, **options), FakeContext())
    try:
        return await sink.flush(flush)
    finally:
        await sink.stop()


def datagrams(receiver: socket.socket) -> list[bytes]:
    """All that has arrived."""
    received = []
    while True:
        try:
            received.append(receiver.recv(65_536))
        except BlockingIOError:
            return received


async def test_points_are_lines(receiver: socket.socket) -> None:
    """Counters are `c`, all else `g`; what would end a field early is replaced."""
    result = await flushed(batch(*ROWS), f"udp://127.0.0.1:{port_of(receiver)}")
    assert FlushResult(confirmed=4) == result
    assert [b"\n".join(LINES)] == datagrams(receiver)


async def test_datagrams_are_full_and_not_more(receiver: socket.socket) -> None:
    """Lines share datagrams up to the bound; one that is longer than it is rejected."""
    rows = [(f"n{i:02}", 1.0, "counter") for i in range(25)] + [("n" * 80, 1.0)]
    result = await flushed(batch(*rows), f"127.0.0.1:{port_of(receiver)}", datagram_bytes=79)
    assert FlushResult(confirmed=25, rejected={"too_long": 1}) == result
    received = datagrams(receiver)
    assert [10, 10, 5] == [len(each.splitlines()) for each in received]
    assert [79, 79, 39] == [len(each) for each in received]


async def test_times_are_sent_on_demand(receiver: socket.socket) -> None:
    """With `timestamps`, a point with a time of its own says it."""
    made = batch(("a", 1.0), ("b", 2.0))
    dated = replace(made, columns=replace(made.columns, own_time=memoryview(b"\1\0")))
    address = f"127.0.0.1:{port_of(receiver)}"
    await flushed(dated, address, timestamps=True)
    await flushed(dated, address)
    assert [b"a:1|g|T1700000000\nb:2|g", b"a:1|g\nb:2|g"] == datagrams(receiver)


async def test_an_amended_counter_counts_once(receiver: socket.socket) -> None:
    """Of a revision only what it adds to the one before is sent."""
    amended = replace(batch(("hits", 8.0, "counter"), revision=1), before={0: 5.0})
    await flushed(amended, f"127.0.0.1:{port_of(receiver)}")
    assert [b"hits:3|c"] == datagrams(receiver)


async def test_a_port_without_a_listener_asks_again() -> None:
    """Where nobody listens nothing was taken: the same batch may come again."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        port = port_of(sock)
    for scheme in ("udp", "tcp"):
        with pytest.raises(SinkError, match=f"cannot send to {scheme}://127.0.0.1:{port}") as info:
            await flushed(batch(*ROWS), f"{scheme}://127.0.0.1:{port}")
        assert info.value.retriable


async def test_tcp_is_a_connection_for_each_flush() -> None:
    """Over TCP every line ends with a line break, and the connection ends with the flush."""
    received: asyncio.Queue[bytes] = asyncio.Queue()

    async def exporter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.put_nowait(await reader.read())
        writer.close()

    async with await asyncio.start_server(exporter, "127.0.0.1", 0) as server:
        address = f"tcp://127.0.0.1:{port_of(server.sockets[0])}"
        for _ in range(2):
            assert FlushResult(confirmed=4) == await flushed(batch(*ROWS), address)
            assert b"".join(line + b"\n" for line in LINES) == await received.get()


async def test_a_connection_that_breaks_leaves_doubt() -> None:
    """What was under way when TCP broke is in doubt, the rest is given up, and it is logged."""
    many = batch(*[(f"name.{i}", float(i), "counter", "k:" + "v" * 900) for i in range(20_000)])

    async def exporter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1)
        writer.transport.abort()

    async with await asyncio.start_server(exporter, "127.0.0.1", 0) as server:
        context = FakeContext()
        address = f"tcp://127.0.0.1:{port_of(server.sockets[0])}"
        sink = StatsdSink(StatsdSink.Config(address=address), context)
        result = await sink.flush(many)
        await sink.stop()
    assert 20_000 == result.in_doubt + result.given_up
    assert 0 < result.in_doubt
    assert ["statsd_broken_off"] == [line["event"] for line in context.logged]


async def test_a_receiver_that_does_not_answer_asks_again() -> None:
    """Nothing was sent while the connection was not there: the same batch may come again."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, ExitStack() as crowd:
        address = f"tcp://127.0.0.1:{port_of(listening)}"
        for _ in range(3):  # the kernel answers nobody else then
            waiting = crowd.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listening.getsockname())
        sink = StatsdSink(StatsdSink.Config(address=address), FakeContext(interval_s=0.1))
        with pytest.raises(SinkError, match=r"not reached within 0\.05 s") as info:
            await sink.flush(batch(*ROWS))
        await sink.stop()
    assert info.value.retriable


def refuse_all(listening: socket.socket) -> None:
    """Takes connections and resets each at once, until the socket is shut down."""
    with suppress(OSError):
        while True:
            accepted, _ = listening.accept()
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()


def test_a_receiver_that_hangs_up_at_once_is_no_mistake_of_ours() -> None:
    """On the daemon's event loop: nothing was written, so the batch may come again."""

    async def fate() -> str:
        try:
            result = await flushed(batch(*ROWS), f"tcp://127.0.0.1:{port_of(listening)}")
        except SinkError as exc:
            return "again" if exc.retriable else "never"
        return "done" if result.confirmed or result.in_doubt else "lost"

    with (
        socket.create_server(("127.0.0.1", 0)) as listening,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        refusing = threading.Thread(target=refuse_all, args=(listening,))
        refusing.start()
        fates = {runner.run(fate()) for _ in range(50)}
        listening.shutdown(socket.SHUT_RDWR)
        refusing.join()
    # How far a flush comes before the reset is the kernel's affair.
    assert "again" in fates
    assert fates <= {"again", "done"}
