"""What the handler of a method is given, and what it is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from veneurpy.rpc.limits import Limits
from veneurpy.rpc.status import RpcError, Status
from veneurpy.rpc.stream import Stream

_UNITS_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}


@dataclass(frozen=True, slots=True)
class Call:
    """A call that a handler answers."""

    stream: Stream
    sender: str
    """The name in the sender's certificate if one was asked for, else its address."""
    address: str
    """The sender's address, without the port."""
    limits: Limits
    names: frozenset[str] | None = None
    """All names in the sender's certificate; None where none was asked for."""

    async def message(self) -> bytes:
        """The one message of a unary call. Raises RpcError and StreamBroken."""
        message = await self.stream.message(self.limits.max_message_bytes)
        if message is None:
            raise RpcError(Status.INVALID_ARGUMENT, "expected one message")
        return message


Handler: TypeAlias = Callable[[Call], Awaitable[bytes]]
"""Reads the call's stream and returns the one message that answers it.

Raises RpcError to answer with another status; anything else it raises is answered INTERNAL.
"""


def timeout_s(text: str | None) -> float | None:
    """What a `grpc-timeout` header allows, None for no bound: `10S`, `250m`."""
    if not text or text[-1] not in _UNITS_S or not (text[:-1].isascii() and text[:-1].isdigit()):
        return None
    return int(text[:-1][:9]) * _UNITS_S[text[-1]]
