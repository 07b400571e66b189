"""What a client knows of a server that says nothing, and when its connection is used up."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest

from tests.grpc_target import served
from tests.unit.forward.owners import batch
from veneurpy.forward.veneur_peer import SEND_LIST, VeneurPeer
from veneurpy.ports import PeerUnavailable
from veneurpy.rpc.client import Channel
from veneurpy.rpc.status import CallFailed

TIMEOUT_S = 20.0
LAST_STREAM = 2**31 - 1


@pytest.fixture
async def balancer() -> AsyncIterator[str]:
    """Takes every connection in and closes it at once: there is nobody behind it."""

    def turn_away(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(turn_away, "127.0.0.1", 0)
    yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


async def test_who_only_takes_a_connection_in_has_applied_nothing(balancer: str) -> None:
    """So that what is for a Veneur waits for it, instead of being in doubt."""
    peer = VeneurPeer("g1", lambda name: balancer)
    with pytest.raises(PeerUnavailable, match="closed before anything was said") as failed:
        await peer.deliver(batch(payload=b""))
    assert not failed.value.may_have_been_applied
    await peer.close()


async def test_who_hangs_from_the_start_has_applied_nothing() -> None:
    """The kernel takes connections in for a process that is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as hanging:
        address = f"127.0.0.1:{hanging.getsockname()[1]}"
        channel = Channel(address, connect_timeout_s=0.2)
        with pytest.raises(CallFailed, match="no answer") as failed:
            await channel.call(SEND_LIST, b"", timeout_s=TIMEOUT_S)
    assert not failed.value.may_have_been_applied


async def test_who_speaks_something_else_is_told() -> None:
    """As a web server is."""

    def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(say, "127.0.0.1", 0)
    channel = Channel(f"127.0.0.1:{server.sockets[0].getsockname()[1]}")
    with pytest.raises(CallFailed, match="no gRPC is spoken there") as failed:
        await channel.call(SEND_LIST, b"", timeout_s=TIMEOUT_S)
    assert not failed.value.may_have_been_applied
    server.close()


async def test_a_connection_that_had_all_its_calls_is_replaced() -> None:
    """HTTP/2 numbers them, and a proxy may get to the end within weeks."""
    async with served() as node:
        channel = Channel(node.address)
        await channel.call(SEND_LIST, b"1", timeout_s=TIMEOUT_S)
        used = channel._connection
        assert used is not None
        used._h2.highest_outbound_stream_id = LAST_STREAM
        with pytest.raises(CallFailed) as failed:
            await channel.call(SEND_LIST, b"2", timeout_s=TIMEOUT_S)
        assert not failed.value.may_have_been_applied
        await channel.call(SEND_LIST, b"3", timeout_s=TIMEOUT_S)
        assert [b"1", b"3"] == node.target.lists
        assert used.is_closed
        await channel.close()
