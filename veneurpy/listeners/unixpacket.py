"""StatsD over Unix sockets that keep the bounds of messages (SOCK_SEQPACKET)."""

from __future__ import annotations

import asyncio
import socket

from veneurpy.listeners._hub import Hub
from veneurpy.listeners._origin import sender_of
from veneurpy.listeners._sockets import unread_bytes

MESSAGES_AT_ONCE = 64
"""Taken of one peer before others have their turn."""


class PacketConnector:
    """Each message is a datagram."""

    async def connect(self, peer: socket.socket, hub: Hub) -> None:
        PacketConnection(peer, hub).begin()

    def refresh(self, listener: str) -> None:
        pass


class PacketConnection:
    """One peer."""

    def __init__(self, peer: socket.socket, hub: Hub) -> None:
        self._peer = peer
        self._hub = hub
        self._sender = sender_of(peer)
        self.last_s = hub.now_s
        self.received_bytes = 0

    def __repr__(self) -> str:
        return f"PacketConnection({self._hub.listener!r}, received_bytes={self.received_bytes})"

    @property
    def queued_bytes(self) -> int:
        return unread_bytes(self._peer.fileno())

    def begin(self) -> None:
        """Reads from now on."""
        self._hub.opened(self)
        asyncio.get_running_loop().add_reader(self._peer, self._read)

    def close(self, reason: str) -> None:
        """Ends it at once."""
        if self._peer.fileno() < 0:
            return
        asyncio.get_running_loop().remove_reader(self._peer)
        self._peer.close()
        self._hub.closed(self, reason)

    def _read(self) -> None:
        self.last_s = self._hub.now_s
        try:
            for _ in range(MESSAGES_AT_ONCE):
                size, _, flags, _ = self._peer.recvmsg_into([self._hub.buffer])
                if not size:
                    self.close("eof")
                    return
                self._take(size, bool(flags & socket.MSG_TRUNC))
        except BlockingIOError:
            return
        except OSError:
            self.close("reset")

    def _take(self, size: int, is_cut: bool) -> None:
        self.received_bytes += size
        self._hub.moved(0, 0)
        with memoryview(self._hub.buffer) as view, view[:size] as message:
            self._hub.reader.feed(
                message, truncated=is_cut, client=self._sender.client, process=self._sender.process
            )
