"""A connection by TLS to a listener, which never says anything but that it refuses us."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

_READ_BYTES = 1 << 14


class Encrypted:
    """Ends as TLS does: when it is closed, the other end has read all, or has said why not.

    An `ssl.SSLSocket` does not wait for that: a refused certificate would pass for success, and
    what it has not read would call off what is on its way. Every method raises OSError.
    """

    def __init__(self, opened: socket.socket, context: ssl.SSLContext, host: str) -> None:
        """Shakes hands on a connection, whose time-out counts, and owns it from then on."""
        self._opened = opened
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=host)
        try:
            self._finish(self._tls.do_handshake)
        except OSError:
            opened.close()
            raise

    def sendall(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def close(self) -> None:
        try:
            with suppress(ssl.SSLWantReadError):
                self._tls.unwrap()
            # It ends without an error only if the other end says that it has ended, too.
            with suppress(ssl.SSLZeroReturnError):
                self._finish(lambda: self._tls.read(1))
        finally:
            self._opened.close()

    def _finish(self, step: Callable[[], object]) -> None:
        """Does what takes answers of the other end."""
        while True:
            try:
                step()
                return
            except ssl.SSLWantReadError:
                self._flush()
                if piece := self._opened.recv(_READ_BYTES):
                    self._incoming.write(piece)
                else:
                    self._incoming.write_eof()
            finally:
                self._flush()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._opened.sendall(self._outgoing.read())
