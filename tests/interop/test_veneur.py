"""The real Veneur on the other end of the wire."""

from __future__ import annotations

import asyncio
import socket
import zlib
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.grpc_target import served
from tests.interop.veneurs import (
    Repeated,
    needs_veneur,
    veneur_global,
    veneur_host,
    veneur_proxy,
)
from veneurpy.engine.reference_protobuf import bytes_field, double_field, varint_field
from veneurpy.forward.answer import DONE, Answer, Kind
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.grpc_peer import GrpcPeer
from veneurpy.forward.veneur_peer import EitherPeer, OnDoubt, VeneurPeer
from veneurpy.ports import PeerUnavailable

GLOBAL = 2
DIGEST = b"".join(
    bytes_field(1, double_field(1, value) + double_field(2, 1.0)) for value in (1.0, 2, 7, 8, 100)
) + b"".join((double_field(2, 100.0), double_field(3, 1.0), double_field(4, 100.0)))
PAYLOAD = b"".join(
    bytes_field(1, metric)
    for metric in (
        bytes_field(1, b"hits")
        + bytes_field(2, b"x:y")
        + bytes_field(5, varint_field(1, 41))
        + varint_field(9, GLOBAL),
        bytes_field(1, b"level")
        + varint_field(3, 1)
        + bytes_field(6, double_field(1, 7.5))
        + varint_field(9, GLOBAL),
        bytes_field(1, b"time")
        + varint_field(3, 2)
        + bytes_field(7, bytes_field(1, DIGEST))
        + varint_field(9, GLOBAL),
    )
)
PUBLISHED = {
    "hits:41|c|#x:y",
    "level:7.5|g|#",
    "time.50percentile:6|g|#",
    "time.max:100|g|#",
    "time.count:5|c|#",
}


def batch(payload: bytes = PAYLOAD) -> Batch:
    """A batch with this payload."""
    return Batch(
        id=BatchId(UUID(int=1), 0, 1),
        start_ms=1_700_000_000_000,
        length_ms=10_000,
        epoch=1,
        owner="there",
        sender="here",
        payload=payload,
        crc=zlib.crc32(payload),
        series=3,
        samples=7,
    )


@pytest.fixture
def sink() -> Iterator[Repeated]:
    repeated = Repeated()
    yield repeated
    repeated.close()


@needs_veneur
@pytest.mark.parametrize("streams", [True, False], ids=["SendMetricsV2", "SendMetrics"])
async def test_a_host_of_veneurs_forwards_to_us(tmp_path: Path, streams: bool) -> None:
    """What a Veneur forwards arrives, and it is told so."""
    async with served() as server:
        running = veneur_host(tmp_path, server.address, streams=streams)
        host = await asyncio.to_thread(running.__enter__)
        try:
            host.send("a.hits:3|c|#veneurglobalonly,x:y")
            await asyncio.to_thread(host.wait_for, "Completed forward")
        finally:
            await asyncio.to_thread(running.__exit__, None, None, None)
    hits = bytes.fromhex("0a06612e686974731203783a792a0208034802")
    came = server.target.messages if streams else server.target.lists
    assert [hits if streams else bytes_field(1, hits)] == came
    assert {} == server.listener.refusals.page()


@needs_veneur
async def test_a_host_of_veneurs_forwards_through_their_proxy(tmp_path: Path) -> None:
    """What a Veneur forwards through a veneur-proxy arrives as well."""
    async with served() as server:
        proxies = veneur_proxy(tmp_path, server.address)
        between = await asyncio.to_thread(proxies.__enter__)
        hosts = veneur_host(tmp_path, between.grpc_address)
        host = await asyncio.to_thread(hosts.__enter__)
        try:
            host.send("a.hits:3|c|#veneurglobalonly,x:y")
            await asyncio.to_thread(host.wait_for, "Completed forward")
            async with asyncio.timeout(20):
                while not server.target.lists:  # noqa: ASYNC110 (the proxy answers before)
                    await asyncio.sleep(0.02)
        finally:
            await asyncio.to_thread(hosts.__exit__, None, None, None)
            await asyncio.to_thread(proxies.__exit__, None, None, None)
    hits = bytes.fromhex("0a06612e686974731203783a792a0208034802")
    assert [bytes_field(1, hits)] == server.target.lists


@needs_veneur
async def test_we_send_to_a_global_of_veneurs(tmp_path: Path, sink: Repeated) -> None:
    """A batch is published by a Veneur with the values that were in it."""
    running = veneur_global(tmp_path, sink)
    there = await asyncio.to_thread(running.__enter__)
    peer = VeneurPeer("there", lambda _: there.grpc_address)
    try:
        assert DONE == await peer.deliver(batch())
        lines = await asyncio.to_thread(sink.until, "hits", "level", "time.count")
    finally:
        await peer.close()
        await asyncio.to_thread(running.__exit__, None, None, None)
    assert set() == PUBLISHED - lines


@needs_veneur
async def test_a_veneur_is_recognised_by_what_it_does_not_know(
    tmp_path: Path, sink: Repeated
) -> None:
    """Who answers that our service is not implemented has applied nothing, and is sent metrics."""
    running = veneur_global(tmp_path, sink)
    there = await asyncio.to_thread(running.__enter__)
    address = there.grpc_address
    peer = EitherPeer(GrpcPeer("there", lambda _: address), VeneurPeer("there", lambda _: address))
    try:
        assert DONE == await peer.deliver(batch())
        lines = await asyncio.to_thread(sink.until, "hits", "level", "time.count")
    finally:
        await peer.close()
        await asyncio.to_thread(running.__exit__, None, None, None)
    assert peer.is_veneur
    assert set() == PUBLISHED - lines


@needs_veneur
async def test_we_send_through_a_proxy_of_veneurs(tmp_path: Path, sink: Repeated) -> None:
    """A veneur-proxy passes a batch on to its global."""
    globals_ = veneur_global(tmp_path, sink)
    there = await asyncio.to_thread(globals_.__enter__)
    proxies = veneur_proxy(tmp_path, there.grpc_address)
    between = await asyncio.to_thread(proxies.__enter__)
    peer = VeneurPeer("there", lambda _: between.grpc_address)
    try:
        assert DONE == await peer.deliver(batch())
        lines = await asyncio.to_thread(sink.until, "hits", "level", "time.count")
    finally:
        await peer.close()
        await asyncio.to_thread(proxies.__exit__, None, None, None)
        await asyncio.to_thread(globals_.__exit__, None, None, None)
    assert set() == PUBLISHED - lines


@pytest.mark.parametrize("on_doubt", ["drop", "resend"])
async def test_a_veneur_that_is_not_there_has_applied_nothing(on_doubt: OnDoubt) -> None:
    """Where no connection is made there is no doubt."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    peer = VeneurPeer("there", lambda _: address, on_doubt=on_doubt)
    with pytest.raises(PeerUnavailable) as failed:
        await peer.deliver(batch())
    assert not failed.value.may_have_been_applied


NO_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
"""The frame that an HTTP/2 server begins with."""


async def test_a_connection_that_breaks_leaves_a_doubt() -> None:
    """What was sent and not answered is IN_DOUBT with `drop`, and sent again with `resend`."""

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(NO_SETTINGS)
        await reader.readuntil(batch().payload[-8:])
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    dropping = VeneurPeer("there", lambda _: address, on_doubt="drop", timeout_s=5)
    resending = VeneurPeer("there", lambda _: address, on_doubt="resend", timeout_s=5)
    async with server:
        assert Answer(Kind.IN_DOUBT, "no_answer") == await dropping.deliver(batch())
        with pytest.raises(PeerUnavailable) as failed:
            await resending.deliver(batch())
    await dropping.close()
    await resending.close()
    assert failed.value.may_have_been_applied


async def test_a_broken_payload_is_rejected() -> None:
    """Bytes that are no MetricList are sent to nobody."""
    peer = VeneurPeer("there", lambda _: "127.0.0.1:1")
    assert Answer(Kind.REJECTED, "frame") == await peer.deliver(batch(b"\x0a\x7fx"))
