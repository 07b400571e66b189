"""What gRPC listeners answer to questions after their health (grpc.health.v1)."""

from __future__ import annotations

from collections.abc import Callable, Collection

from veneurpy.engine.reference_protobuf import BYTES, Malformed, fields, varint_field
from veneurpy.rpc.call import Call, Handler
from veneurpy.rpc.status import RpcError, Status

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
_SERVING, _NOT_SERVING = 1, 2


def health_check(services: Collection[str], is_healthy: Callable[[], bool]) -> Handler:
    """Answers for these services, all alike; "" is the server as a whole."""

    async def check(call: Call) -> bytes:
        """{1: service} to {1: status}."""
        message = await call.stream.message(call.limits.max_message_bytes) or b""
        try:
            asked = [field.data for field in fields(message) if field[:2] == (1, BYTES)]
            service = (asked[-1] if asked else b"").decode()
        except (Malformed, UnicodeDecodeError) as exc:
            raise RpcError(Status.INVALID_ARGUMENT, "no HealthCheckRequest") from exc
        if service not in services:
            raise RpcError(Status.NOT_FOUND, "there is no such service here")
        return varint_field(1, _SERVING if is_healthy() else _NOT_SERVING)

    return check
