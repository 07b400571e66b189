"""How a call ends: gRPC's status codes and the errors that carry one."""

from __future__ import annotations

from enum import IntEnum
from urllib.parse import quote, unquote

from veneurpy.errors import VeneurpyError


class Status(IntEnum):
    """gRPC's status codes."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16

    @classmethod
    def read(cls, text: str) -> Status:
        """The status that a `grpc-status` header names; UNKNOWN for what is none."""
        try:
            return cls(int(text))
        except ValueError:
            return cls.UNKNOWN


class RpcError(VeneurpyError):
    """A handler raises it to end its call with this status."""

    def __init__(self, status: Status, text: str) -> None:
        super().__init__(f"{status.name}: {text}")
        self.status = status
        self.text = text


class CallFailed(VeneurpyError):
    """A call did not end well.

    `status` is None when the server gave none: no connection, a time-out, a connection lost.
    `may_have_been_applied` is False only where it is proven that no handler saw any of it.
    """

    def __init__(self, text: str, *, status: Status | None, may_have_been_applied: bool) -> None:
        super().__init__(text)
        self.status = status
        self.may_have_been_applied = may_have_been_applied


def encode_text(text: str) -> str:
    """A text as `grpc-message` carries it: percent-encoded, of bounded length."""
    return quote(text[:500], safe=" !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~")


def decode_text(text: str) -> str:
    """A text back from a `grpc-message` header."""
    return unquote(text[:2000], errors="replace")
