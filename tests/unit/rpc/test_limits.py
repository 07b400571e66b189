"""What one sender does wrong ends its own call or connection, is counted, and harms nobody else."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

import grpc
import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest

from tests.descriptors import limited
from tests.grpc_target import Served, served
from tests.waiting import until
from veneurpy.rpc.client import Channel
from veneurpy.rpc.limits import Budget, Limits
from veneurpy.rpc.status import CallFailed, Status
from veneurpy.rpc.stream import MESSAGE_PREFIX, framed

LIST = "/forwardrpc.Forward/SendMetrics"
STREAM = "/forwardrpc.Forward/SendMetricsV2"
TIMEOUT_S = 20.0
HERE = "127.0.0.1"


class Raw:
    """A client that breaks rules: h2 without our care, on a plain connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        config = h2.config.H2Configuration(
            client_side=True, validate_outbound_headers=False, header_encoding="utf-8"
        )
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()

    @classmethod
    async def open(cls, address: str) -> Raw:
        """Connected, nothing sent yet."""
        host, _, port = address.rpartition(":")
        return cls(*await asyncio.open_connection(host, int(port)))

    def begin(self, path: str, stream: int = 1) -> None:
        """Sends the headers of a call."""
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "x"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        self.h2.send_headers(stream, headers)
        self.flush()

    def flush(self) -> None:
        """Writes what h2 has to say."""
        self.writer.write(self.h2.data_to_send())

    async def status(self) -> str:
        """The gRPC status of the first answer, or "closed" or "goaway"."""
        async with asyncio.timeout(TIMEOUT_S):
            while data := await self.reader.read(1 << 16):
                for event in self.h2.receive_data(data):
                    if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                        headers = dict(event.headers or ())
                        if "grpc-status" in headers:
                            return Status(int(headers["grpc-status"])).name
                    if isinstance(event, h2.events.ConnectionTerminated):
                        return "goaway"
                self.flush()
        return "closed"

    async def close(self) -> None:
        """Closes the connection."""
        self.writer.close()
        with suppress(OSError):
            await self.writer.wait_closed()


Connect = Callable[[str], Awaitable[Raw]]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Opens connections, which are closed in the end."""
    opened: list[Raw] = []

    async def open_one(address: str) -> Raw:
        opened.append(await Raw.open(address))
        return opened[-1]

    yield open_one
    for raw in opened:
        await raw.close()


async def works(server: Served) -> bool:
    """Whether another sender is served as if nothing had happened."""
    async with grpc.aio.insecure_channel(server.address) as channel:
        return b"" == await channel.unary_unary(LIST)(b"good", timeout=TIMEOUT_S)


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="HTTP/1.1"),
        pytest.param(b"a.b.c:1|c\n" * 100, id="statsd"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100, id="no frames"),
        pytest.param(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\2\xff\xff\1\4\0\0\0\1" + bytes(90),
            id="a frame that is too long",
        ),
        pytest.param(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0\0\0\5\0\0\0\0\0\1hello",
            id="data without a call",
        ),
    ],
)
async def test_garbage_ends_its_connection(connect: Connect, garbage: bytes) -> None:
    """What is no HTTP/2 is hung up on and counted; others are served meanwhile."""
    async with served() as server:
        raw = await connect(server.address)
        raw.writer.write(garbage)
        async with asyncio.timeout(TIMEOUT_S):
            while await raw.reader.read(1 << 16):
                pass
        assert "protocol" in server.listener.refusals.page()[HERE]
        assert await works(server)


@pytest.mark.parametrize("seed", range(20))
async def test_a_damaged_recording_harms_nobody(connect: Connect, seed: int) -> None:
    """A connection with some bytes changed is answered or closed, and the next one works."""
    from pathlib import Path

    recorded = Path(__file__).parents[2] / "golden" / "veneur_stream.bin"
    chance, damaged = random.Random(seed), bytearray(recorded.read_bytes())
    for _ in range(chance.randint(1, 20)):
        damaged[chance.randrange(24, len(damaged))] = chance.randrange(256)
    async with served() as server:
        raw = await connect(server.address)
        raw.writer.write(bytes(damaged))
        raw.writer.write_eof()
        async with asyncio.timeout(TIMEOUT_S):
            while await raw.reader.read(1 << 16):
                pass
        assert await works(server), f"seed {seed}"


async def test_too_many_connections(connect: Connect) -> None:
    """One more than there may be is closed at once, and there is room again when one goes."""
    async with served(limits=Limits(max_connections=2)) as server:
        first = await connect(server.address)
        await connect(server.address)
        third = await connect(server.address)
        assert b"" == await third.reader.read()
        assert {"connections": 1} == server.listener.refusals.page()[HERE]
        await first.close()
        await until(lambda: server.listener.connections == 1)
        assert await works(server)


async def test_the_last_descriptors_are_kept(connect: Connect) -> None:
    """Connections do not take what the node opens files with."""
    async with served() as server:
        with limited(share_taken=0.75):
            refused = await connect(server.address)
            assert b"" == await refused.reader.read()
        assert {"no_descriptors": 1} == server.listener.refusals.page()[HERE]
        await refused.close()
        assert await works(server)


async def test_an_accept_that_fails_is_told(connect: Connect) -> None:
    """And tried again after a pause: the connection has waited."""
    async with served() as server:
        waiting = await connect(server.address)
        await until(lambda: server.listener.connections == 1)
        with socket.socket() as client, limited(share_taken=1):
            client.setblocking(False)
            host, _, port = server.address.rpartition(":")
            with suppress(BlockingIOError):
                client.connect((host, int(port)))
            await until(lambda: bool(server.log.of("accept_failed")))
        await waiting.close()
        assert await works(server)
    (line,) = server.log.of("accept_failed")
    assert ("grpc://127.0.0.1:0", "Too many open files") == (line["listener"], line["reason"])


async def test_too_many_connections_from_one_address(connect: Connect) -> None:
    """One address cannot take the places of all others."""
    async with served(limits=Limits(max_connections_per_address=1)) as server:
        await connect(server.address)
        second = await connect(server.address)
        assert b"" == await second.reader.read()
        assert {"connections": 1} == server.listener.refusals.page()[HERE]


@pytest.mark.parametrize("path", [LIST, STREAM])
async def test_a_message_that_is_too_long(connect: Connect, path: str) -> None:
    """A message that announces more than is allowed is refused before it is there."""
    async with served(limits=Limits(max_message_bytes=1000)) as server:
        raw = await connect(server.address)
        raw.begin(path)
        raw.h2.send_data(1, MESSAGE_PREFIX.pack(0, 5000) + bytes(10))
        raw.flush()
        assert "RESOURCE_EXHAUSTED" == await raw.status()
        assert {"message_size": 1} == server.listener.refusals.page()[HERE]
        assert await works(server)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param(MESSAGE_PREFIX.pack(1, 3) + b"abc", "UNIMPLEMENTED", id="compressed"),
        pytest.param(MESSAGE_PREFIX.pack(0, 5) + b"abc", "INVALID_ARGUMENT", id="cut short"),
        pytest.param(framed(b"a") + framed(b"b"), "INVALID_ARGUMENT", id="two messages"),
        pytest.param(b"", "INVALID_ARGUMENT", id="none"),
    ],
)
async def test_a_unary_call_is_one_message(connect: Connect, body: bytes, status: str) -> None:
    """Anything else is answered with what is wrong."""
    async with served() as server:
        raw = await connect(server.address)
        raw.begin(LIST)
        raw.h2.send_data(1, body, end_stream=True)
        raw.flush()
        assert status == await raw.status()
        assert await works(server)


async def test_a_stream_that_ends_within_a_message(connect: Connect) -> None:
    """The whole messages before count, and the sender is told."""
    async with served() as server:
        raw = await connect(server.address)
        raw.begin(STREAM)
        raw.h2.send_data(1, framed(b"whole") + MESSAGE_PREFIX.pack(0, 5) + b"abc", end_stream=True)
        raw.flush()
        assert "INVALID_ARGUMENT" == await raw.status()
        assert [b"whole"] == server.target.messages


async def test_a_sender_that_stalls_within_a_call(connect: Connect) -> None:
    """A call from which nothing comes is ended."""
    async with served(limits=Limits(stream_idle_s=0.05)) as server:
        raw = await connect(server.address)
        raw.begin(STREAM)
        assert "DEADLINE_EXCEEDED" == await raw.status()
        assert {"idle": 1} == server.listener.refusals.page()[HERE]


@pytest.mark.parametrize(
    ("greets", "reason"), [(False, "handshake"), (True, "idle")], ids=["silent", "without a call"]
)
async def test_a_connection_that_is_not_used(connect: Connect, greets: bool, reason: str) -> None:
    """Who connects and says nothing is hung up on."""
    limits = Limits(handshake_timeout_s=0.05, connection_idle_s=0.05)
    async with served(limits=limits) as server:
        raw = await connect(server.address)
        if greets:
            raw.flush()
        async with asyncio.timeout(TIMEOUT_S):
            while await raw.reader.read(1 << 16):
                pass
        assert {reason: 1} == server.listener.refusals.page()[HERE]


async def test_a_flood_of_resets(connect: Connect) -> None:
    """Calls begun and reset over and over end the connection."""
    async with served(limits=Limits(max_control_frames=50, max_streams=20)) as server:
        raw = await connect(server.address)
        for number in range(1, 401, 2):
            raw.begin(STREAM, number)
            raw.h2.reset_stream(number)
            raw.flush()
        assert "goaway" == await raw.status()
        assert "flood" in server.listener.refusals.page()[HERE]
        assert await works(server)


async def test_too_much_in_flight(connect: Connect) -> None:
    """What all senders together have sent and nobody has taken is bounded."""
    limits = replace(Limits(), max_bytes_in_flight=10_000)
    async with served(limits=limits) as server:
        raw = await connect(server.address)
        raw.begin(LIST)
        raw.h2.send_data(1, MESSAGE_PREFIX.pack(0, 12_000) + bytes(12_000), end_stream=True)
        raw.flush()
        assert "RESOURCE_EXHAUSTED" == await raw.status()
        assert await works(server)


async def test_a_message_is_in_flight_until_it_is_handled(connect: Connect) -> None:
    """What is gathered of a message that is not whole counts, window after window."""
    limits = Limits(max_bytes_in_flight=200_000, stream_window_bytes=65_535)
    async with served(limits=limits) as server:
        raw, sent = await connect(server.address), 0
        raw.begin(LIST)
        raw.h2.send_data(1, MESSAGE_PREFIX.pack(0, 1_000_000))
        raw.flush()
        status = asyncio.create_task(raw.status())
        while not status.done() and sent < 1_000_000:
            room = min(16_384, raw.h2.local_flow_control_window(1))
            if room and not status.done():
                raw.h2.send_data(1, bytes(room))
                raw.flush()
                sent += room
            await asyncio.sleep(0)
        assert "RESOURCE_EXHAUSTED" == await status
        assert "bytes_in_flight" in server.listener.refusals.page()[HERE]
        assert await works(server)


async def test_headers_that_are_too_long(connect: Connect) -> None:
    """A header list beyond the bound ends the connection."""
    async with served(limits=Limits(max_header_bytes=2000)) as server:
        raw = await connect(server.address)
        raw.begin("/" + "x" * 3000)
        assert await raw.status() in ("goaway", "closed")
        assert {"protocol": 1} == server.listener.refusals.page()[HERE]
        assert await works(server)


async def test_stopping_lets_calls_end() -> None:
    """A call that runs is answered; afterwards nobody is connected."""
    async with served() as server:
        channel = Channel(server.address)
        calls = [channel.call(LIST, b"%d" % i, timeout_s=TIMEOUT_S) for i in range(20)]
        assert [b""] * 20 == await asyncio.gather(*calls)
        await server.listener.stop(TIMEOUT_S)
        assert 0 == server.listener.connections
        with pytest.raises(CallFailed) as failed:
            await channel.call(LIST, b"late", timeout_s=TIMEOUT_S)
        assert not failed.value.may_have_been_applied
        await channel.close()


def test_a_budget_is_given_back() -> None:
    """What was taken is there again when it is given back, and no more."""
    budget = Budget(10)
    assert [True, False, True] == [budget.take(6), budget.take(5), budget.take(4)]
    budget.give_back(5)
    assert [True, False] == [budget.take(5), budget.take(1)]
