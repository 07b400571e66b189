"""DogStatsD packets by gRPC, sent by the official client."""

from __future__ import annotations

import asyncio
import socket

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.unit.listeners.rig import Rig
from veneurpy.engine.reference_protobuf import bytes_field
from veneurpy.ports import Listener
from veneurpy.telemetry.metrics import SENDERS_REFUSED, STREAM_CLOSED, STREAM_CONNECTS

SEND_PACKET = "/dogstatsd.DogstatsdGRPC/SendPacket"
TIMEOUT_S = 20.0


async def listen(transports: Rig, url: str = "tcp://127.0.0.1:0", **settings: object) -> Listener:
    return await transports.listen("", grpc_listen_addresses=(url,), **settings)


def address_of(listener: Listener) -> str:
    return listener.name.removeprefix("grpc://").replace("localhost", "127.0.0.1")


async def send(channel: grpc.aio.Channel, packet: bytes, path: str = SEND_PACKET) -> bytes:
    answer = await channel.unary_unary(path)(bytes_field(1, packet), timeout=TIMEOUT_S)
    assert isinstance(answer, bytes)
    return answer


async def test_a_packet_is_a_datagram(transports: Rig) -> None:
    """Its lines count one by one, on a listener of its own, and Empty comes back."""
    listener = await listen(transports)
    async with grpc.aio.insecure_channel(address_of(listener)) as channel:
        assert b"" == await send(channel, b"a:1|c\nbad\nb:2|g")
        assert b"" == await send(channel, b"")
    ((name, accounts),) = transports.engine.open_accounts()
    assert listener.name == name
    assert (2, 3, 2) == (accounts.datagrams, accounts.lines, accounts.accepted)
    assert 1 == transports.telemetry.value(STREAM_CONNECTS, listener=name)
    assert ["127.0.0.1"] == [client.client for client in transports.clients()]


async def test_a_long_packet(transports: Rig) -> None:
    """Beyond metric_max_length its complete lines count; beyond 64 KiB it is refused as a whole."""
    listener = await listen(transports)
    async with grpc.aio.insecure_channel(address_of(listener)) as channel:
        await send(channel, b"a:1|c\n" * 2000)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await send(channel, b"a:1|c\n" * 20_000)
    assert grpc.StatusCode.RESOURCE_EXHAUSTED == refused.value.code()
    accounts = transports.open_accounts()
    assert (1, 8192 // 6) == (accounts.truncated, accounts.accepted)
    assert 1 == transports.telemetry.value(SENDERS_REFUSED, reason="message_size")


@pytest.mark.parametrize(
    ("path", "code"),
    [
        pytest.param("/ssf.SSFGRPC/SendSpan", grpc.StatusCode.UNIMPLEMENTED, id="span"),
        pytest.param(SEND_PACKET, grpc.StatusCode.INVALID_ARGUMENT, id="garbage"),
    ],
)
async def test_what_is_not_understood(transports: Rig, path: str, code: grpc.StatusCode) -> None:
    """The status says why, and the next packet is taken."""
    listener = await listen(transports)
    async with grpc.aio.insecure_channel(address_of(listener)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await channel.unary_unary(path)(b"\x0a\x7fshort", timeout=TIMEOUT_S)
        await send(channel, b"a:1|c")
    assert code == refused.value.code()
    assert 1 == transports.open_accounts().accepted


@pytest.mark.parametrize("service", ["", "veneur"])
async def test_health(transports: Rig, service: str) -> None:
    """As Veneur's: the service `veneur`, and the server as a whole, serve."""
    listener = await listen(transports)
    async with grpc.aio.insecure_channel(address_of(listener)) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        asked = health_pb2.HealthCheckRequest(service=service)
        answer = await stub.Check(asked, timeout=TIMEOUT_S)
    assert health_pb2.HealthCheckResponse.SERVING == answer.status


@pytest.mark.parametrize(
    ("client", "is_let_in"), [("client", True), ("stranger", False), ("other", False)]
)
async def test_client_certificates(transports: Rig, client: str, is_let_in: bool) -> None:
    """With an authority and names, a sender must show one of them, signed by it."""
    authority, other = trustme.CA(), trustme.CA()
    server, shown = authority.issue_cert("127.0.0.1"), authority.issue_cert(client)
    if client == "other":
        shown = other.issue_cert("client")
    listener = await listen(
        transports,
        "tls://127.0.0.1:0",
        tls_certificate=server.cert_chain_pems[0].bytes().decode(),
        tls_key=server.private_key_pem.bytes().decode(),
        tls_authority_certificate=authority.cert_pem.bytes().decode(),
        tls_allowed_names=("client",),
    )
    credentials = grpc.ssl_channel_credentials(
        authority.cert_pem.bytes(),
        shown.private_key_pem.bytes(),
        shown.cert_chain_pems[0].bytes(),
    )
    async with grpc.aio.secure_channel(address_of(listener), credentials) as channel:
        if is_let_in:
            await send(channel, b"a:1|c")
        else:
            with pytest.raises(grpc.aio.AioRpcError):
                await send(channel, b"a:1|c")
    assert int(is_let_in) == transports.open_accounts().accepted
    if not is_let_in:
        reason = "wrong_name" if client == "stranger" else "handshake"
        await transports.until_closed(listener, reason)


async def test_who_speaks_something_else(transports: Rig) -> None:
    """A peer that speaks no HTTP/2 is shown out and counted; those beyond the limit as well."""
    listener = await listen(transports, stream_max_connections=1)
    host, _, port = address_of(listener).rpartition(":")
    with socket.create_connection((host, int(port))) as first:
        await transports.until_value(STREAM_CONNECTS, 1, listener=listener.name)
        with socket.create_connection((host, int(port))):
            await transports.until_closed(listener, "connections")
        first.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(100))
        await transports.until_closed(listener, "protocol")
    assert 1 == transports.telemetry.value(STREAM_CONNECTS, listener=listener.name)


async def test_a_stop_answers_what_runs(transports: Rig) -> None:
    """What was acknowledged is in the store, whenever the stop comes."""
    listener = await listen(transports)
    async with grpc.aio.insecure_channel(address_of(listener)) as channel:
        await send(channel, b"a:1|c")
        calls = [asyncio.ensure_future(send(channel, b"a:1|c")) for _ in range(50)]
        await asyncio.sleep(0)
        await listener.stop(5)
        answers = await asyncio.gather(*calls, return_exceptions=True)
    taken = 1 + sum(answer == b"" for answer in answers)
    assert taken == transports.open_accounts().accepted
    assert 1 == transports.telemetry.value(
        STREAM_CLOSED, listener=listener.name, reason="stop"
    ) + transports.telemetry.value(STREAM_CLOSED, listener=listener.name, reason="eof")
