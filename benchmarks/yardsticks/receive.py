"""A UDP receiver in Python that only counts: `receive.py asyncio|uvloop RCVBUF_BYTES`.

Prints "ready PORT" when it listens on a free port of 127.0.0.1 and, at SIGTERM, one JSON object.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys

import uvloop


class Counter(asyncio.DatagramProtocol):
    """Counts datagrams and bytes."""

    def __init__(self) -> None:
        self.datagrams = 0
        self.bytes = 0

    def datagram_received(self, data: bytes, addr: object) -> None:
        """One datagram."""
        self.datagrams += 1
        self.bytes += len(data)


async def receive(rcvbuf_bytes: int) -> Counter:
    """Counts until SIGTERM."""
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, rcvbuf_bytes)
    sock.bind(("127.0.0.1", 0))
    transport, counter = await loop.create_datagram_endpoint(Counter, sock=sock)
    print("ready", sock.getsockname()[1], flush=True)
    await stopping.wait()
    transport.close()
    return counter


def main() -> None:
    """Receives with the named event loop."""
    factory = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}[sys.argv[1]]
    with asyncio.Runner(loop_factory=factory) as runner:
        counter = runner.run(receive(int(sys.argv[2])))
    print(json.dumps(vars(counter)))


if __name__ == "__main__":
    main()
