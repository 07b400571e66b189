"""Server and client beside the official implementation, grpcio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import grpc
import pytest
from grpc_health.v1 import health_pb2

from tests.grpc_target import RememberingTarget, served
from veneurpy.ports import ImportRefused
from veneurpy.rpc.client import Channel
from veneurpy.rpc.status import CallFailed, Status
from veneurpy.rpc.stream import framed

STREAM = "/forwardrpc.Forward/SendMetricsV2"
LIST = "/forwardrpc.Forward/SendMetrics"
TIMEOUT_S = 20.0


@pytest.fixture
async def official() -> AsyncIterator[str]:
    """The address of an official server that has the methods of `HANDLERS`."""
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Test", HANDLERS),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield f"127.0.0.1:{port}"
    await server.stop(0)


async def _echo(message: bytes, context: grpc.aio.ServicerContext) -> bytes:
    return message


async def _count(messages: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
    return b"%d" % sum([1 async for _ in messages])


async def _fail(message: bytes, context: grpc.aio.ServicerContext) -> bytes:
    await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "zu viel: ü%")
    return b""


async def _hang(message: bytes, context: grpc.aio.ServicerContext) -> bytes:
    await asyncio.Event().wait()
    return b""


HANDLERS = {
    "Echo": grpc.unary_unary_rpc_method_handler(_echo),
    "Count": grpc.stream_unary_rpc_method_handler(_count),
    "Fail": grpc.unary_unary_rpc_method_handler(_fail),
    "Hang": grpc.unary_unary_rpc_method_handler(_hang),
}


async def begun() -> AsyncIterator[bytes]:
    """A stream that goes on, with nothing to send at the moment.

    grpcio's asynchronous client says INTERNAL for a message that it could not send because the
    server had answered already, whatever the server's status was.
    """
    yield b"a"
    await asyncio.Event().wait()


async def test_a_stream_of_an_official_client() -> None:
    """Each message of a stream arrives, in order, and Empty comes back."""
    sent = [b"%d" % i * (i % 50) for i in range(3000)]
    async with served() as server, grpc.aio.insecure_channel(server.address) as channel:
        assert b"" == await channel.stream_unary(STREAM)(iter(sent), timeout=TIMEOUT_S)
    assert sent == server.target.messages
    assert {"127.0.0.1"} == server.target.senders


async def test_many_calls_at_once() -> None:
    """Calls on one connection do not mix."""
    async with served() as server, grpc.aio.insecure_channel(server.address) as channel:
        send = channel.unary_unary(LIST)
        await asyncio.gather(*(send(b"%d" % i * 1000, timeout=TIMEOUT_S) for i in range(200)))
    assert sorted(b"%d" % i * 1000 for i in range(200)) == sorted(server.target.lists)


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        pytest.param(ImportRefused("full", is_full=True), grpc.StatusCode.UNAVAILABLE, id="full"),
        pytest.param(
            ImportRefused("malformed", is_full=False), grpc.StatusCode.INVALID_ARGUMENT, id="broken"
        ),
    ],
)
async def test_a_refused_stream_is_answered(refusal: ImportRefused, code: grpc.StatusCode) -> None:
    """A sender learns by the status why its metrics were not taken."""
    target = RememberingTarget(refusal=refusal)
    async with (
        served(target=target) as server,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await channel.stream_unary(STREAM)(begun(), timeout=TIMEOUT_S)
    assert code == failed.value.code()
    assert refusal.reason == failed.value.details()


async def test_health_is_told() -> None:
    """grpc.health.v1 answers SERVING for Veneur's name of the service, NOT_FOUND for others."""
    async with served() as server, grpc.aio.insecure_channel(server.address) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = await check(health_pb2.HealthCheckRequest(service="veneur"), timeout=TIMEOUT_S)
        assert health_pb2.HealthCheckResponse.SERVING == answer.status
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await check(health_pb2.HealthCheckRequest(service="other"), timeout=TIMEOUT_S)
    assert grpc.StatusCode.NOT_FOUND == failed.value.code()


async def test_calls_of_ours_to_an_official_server(official: str) -> None:
    """Unary calls and streams, also such as are larger than the windows."""
    channel, large = Channel(official), b"x" * 3_000_000
    messages: Iterator[bytes] = (framed(b"%d" % i) * 100 for i in range(200))
    try:
        assert b"hello" == await channel.call("/test.Test/Echo", b"hello", timeout_s=TIMEOUT_S)
        assert large == await channel.call("/test.Test/Echo", large, timeout_s=TIMEOUT_S)
        assert b"20000" == await channel.stream("/test.Test/Count", messages, timeout_s=TIMEOUT_S)
    finally:
        await channel.close()


@pytest.mark.parametrize(
    ("method", "timeout_s", "status", "may_have_been_applied"),
    [
        pytest.param("Missing", TIMEOUT_S, Status.UNIMPLEMENTED, False, id="no such method"),
        pytest.param("Fail", TIMEOUT_S, Status.RESOURCE_EXHAUSTED, True, id="refused"),
        pytest.param("Hang", 0.1, None, True, id="no answer in time"),
    ],
)
async def test_how_a_call_failed(
    official: str,
    method: str,
    timeout_s: float,
    status: Status | None,
    may_have_been_applied: bool,
) -> None:
    """Only a server that does not know the method has certainly done nothing."""
    channel = Channel(official)
    with pytest.raises(CallFailed) as failed:
        await channel.call(f"/test.Test/{method}", b"x", timeout_s=timeout_s)
    await channel.close()
    assert (status, may_have_been_applied) == (
        failed.value.status,
        failed.value.may_have_been_applied,
    ) or (Status.DEADLINE_EXCEEDED, method) == (failed.value.status, "Hang")


async def test_nobody_listens() -> None:
    """A connection that cannot be made has certainly done nothing."""
    async with served() as server:
        address = server.address
    channel = Channel(address)
    with pytest.raises(CallFailed) as failed:
        await channel.call(LIST, b"", timeout_s=TIMEOUT_S)
    assert not failed.value.may_have_been_applied


async def test_a_new_connection_after_the_server_was_restarted(official: str) -> None:
    """A channel outlives its connection."""
    async with served() as first:
        channel = Channel(first.address)
        await channel.call(LIST, b"1", timeout_s=TIMEOUT_S)
    with pytest.raises(CallFailed):
        await channel.call(LIST, b"2", timeout_s=TIMEOUT_S)
    await channel.close()
