"""What one side of a connection may cost the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

KIB, MIB = 1 << 10, 1 << 20

Refusal: TypeAlias = Literal[
    "connections",  # more at once than max_connections, or from one address
    "no_descriptors",  # it would have had one of those that are kept for the node itself
    "handshake",  # no TLS, a certificate that is not accepted, or too slow
    "wrong_name",  # a certificate without a name that is let in
    "protocol",  # not HTTP/2, or a breach of it
    "flood",  # frames that only make work: resets, pings, settings
    "idle",  # a call that sends nothing, a connection without a call
    "unread",  # answers that the sender does not read
    "message_size",  # a message longer than max_message_bytes
    "bytes_in_flight",  # more waiting to be handled than max_bytes_in_flight
    "malformed",  # bytes that are no message of the method
    "method",  # there is no such method
]

Refused: TypeAlias = Callable[[Refusal, str], None]
"""Told of whatever is refused: why, and the sender."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a server, for each connection unless they say otherwise."""

    max_connections: int = 1024
    """At once, of all senders together."""
    max_connections_per_address: int = 256
    """At once, so that nobody takes the places of all others."""
    max_streams: int = 128
    max_header_bytes: int = 16 * KIB
    max_message_bytes: int = 4 * MIB
    max_bytes_in_flight: int = 256 * MIB
    """Received and not yet handled, of all connections together."""
    stream_window_bytes: int = 1 * MIB
    connection_window_bytes: int = 4 * MIB
    max_frame_bytes: int = 64 * KIB
    max_unread_bytes: int = 1 * MIB
    """Answers that wait for a sender who does not read."""
    max_control_frames: int = 10_000
    """Resets, pings and settings between two calls that end."""
    handshake_timeout_s: float = 10.0
    """For TLS, and again for HTTP/2's greeting."""
    stream_idle_s: float = 60.0
    """For a call from which nothing comes."""
    connection_idle_s: float = 900.0
    """For a connection without a call."""


class Budget:
    """Bytes that all connections share."""

    def __init__(self, bytes_: int) -> None:
        self._left = bytes_

    def __repr__(self) -> str:
        return f"Budget(left={self._left})"

    def take(self, count: int) -> bool:
        """Whether there were so many; then they are taken."""
        if count > self._left:
            return False
        self._left -= count
        return True

    def give_back(self, count: int) -> None:
        """What was taken is free again."""
        self._left += count
