"""How much does one owner take from others?"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
import zlib
from uuid import UUID

import h2.config
import h2.connection
import h2.events

from benchmarks.answers import Answer, Figure, Target
from benchmarks.forwarding import OwnerProcess, counter, digest, in_data_frames, owner
from veneurpy.engine.reference_protobuf import bytes_field
from veneurpy.forward.answer import HELD
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.grpc_peer import GrpcPeer

STREAMED = 400_000
DIGESTS = 100_000
IN_A_BATCH = 800
LANES = 4
BURST_BYTES = 1 << 16

METHOD = """\
The owner is a process of its own: the gRPC listener on uvloop, and the native engine's import store
behind it. "Veneur's stream" is one SendMetricsV2 of counters of three tags, each in a DATA frame of
its own as grpc-go sends them, written by a client that honours the flow control windows. "Own
method" is batches of 800 digests of 50 centroids, sent by four lanes of one client with compression
and checksum. Wall time until everything is answered, with sender and owner on one machine; and CPU
seconds of the owner, all threads."""


def measure(rounds: int) -> Answer:
    """Answers it."""
    figures: dict[str, list[float]] = {"stream": [], "stream CPU": [], "own": [], "own CPU": []}
    messages = [counter(i) for i in range(1000)]
    payload = b"".join(bytes_field(1, digest(i)) for i in range(IN_A_BATCH))
    for _ in range(rounds):
        with owner() as process:
            rate, cpu = _rates(process, STREAMED, lambda: _stream(process.port, messages))
            figures["stream"].append(rate)
            figures["stream CPU"].append(cpu)
            rate, cpu = _rates(process, DIGESTS, lambda: asyncio.run(_send(process.port, payload)))
            figures["own"].append(rate)
            figures["own CPU"].append(cpu)
    return Answer(
        "Forwarding to one owner",
        METHOD,
        (
            Figure("Veneur's stream", "metrics/s", tuple(figures["stream"]), Target(">=", 60_000)),
            Figure("Veneur's stream", "metrics per CPU-s", tuple(figures["stream CPU"])),
            Figure("own method", "digests/s", tuple(figures["own"]), Target(">=", 100_000)),
            Figure("own method", "digests per CPU-s", tuple(figures["own CPU"])),
        ),
    )


def _rates(process: OwnerProcess, count: int, send: object) -> tuple[float, float]:
    """Metrics a second, and a CPU second of the owner. Raises unless all of them were merged."""
    had, spent_s = process.spent()
    start_s = time.perf_counter()
    send()  # type: ignore[operator]
    took_s = time.perf_counter() - start_s
    merged, now_s = process.spent()
    if merged - had != count:
        raise RuntimeError(f"{count} metrics sent, {merged - had} merged")
    return count / took_s, count / (now_s - spent_s)


async def _send(port: int, payload: bytes) -> None:
    """Delivers DIGESTS of them by LANES at a time."""
    peer = GrpcPeer("owner", lambda _: f"127.0.0.1:{port}", timeout_s=60)
    crc, left = zlib.crc32(payload), iter(range(DIGESTS // IN_A_BATCH))

    async def lane() -> None:
        for part in left:
            id = BatchId(UUID(int=1), part, DIGESTS // IN_A_BATCH)
            batch = Batch(id, 0, 10_000, 1, "owner", "bench", payload, crc, IN_A_BATCH, IN_A_BATCH)
            if await peer.deliver(batch) != HELD:
                raise RuntimeError("a batch was not taken")

    await asyncio.gather(*(lane() for _ in range(LANES)))
    await peer.close()


def _stream(port: int, messages: list[bytes]) -> None:
    """Sends STREAMED messages on one stream, and waits for the answer."""
    frames = in_data_frames(messages)
    with socket.create_connection(("127.0.0.1", port)) as connection:
        sender = _Sender(connection)
        sent = 0
        while sent < STREAMED:
            burst, size = [], 0
            while sent < STREAMED and size < BURST_BYTES:
                length = len(frames[sent % len(frames)]) - 9
                if size + length > sender.room:
                    break
                burst.append(frames[sent % len(frames)])
                size, sent = size + length, sent + 1
            sender.send(b"".join(burst), size)
        sender.finish()


class _Sender:
    """The sending end of one call: h2 for everything but the DATA frames, which are made before."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self._h2.initiate_connection()
        headers = [
            (":method", "POST"),
            (":scheme", "http"),
            (":path", "/forwardrpc.Forward/SendMetricsV2"),
            (":authority", "bench"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
        ]
        self._h2.send_headers(1, headers)
        connection.sendall(self._h2.data_to_send())
        self._sent = 0
        self._is_answered = False

    @property
    def room(self) -> int:
        """How much may be sent now."""
        return self._h2.local_flow_control_window(1) - self._sent

    def send(self, frames: bytes, size: int) -> None:
        """Sends frames of so many bytes of data; waits for room if there were none."""
        if frames:
            self._connection.sendall(frames)
            self._sent += size
            self._connection.setblocking(False)
        try:
            self._receive()
        except BlockingIOError:
            pass
        finally:
            self._connection.setblocking(True)

    def finish(self) -> None:
        """Ends the stream and waits for the answer."""
        self._connection.sendall(struct.pack(">HBBBI", 0, 0, 0, 1, 1))
        while not self._is_answered:
            self._receive()

    def _receive(self) -> None:
        data = self._connection.recv(1 << 16)
        if not data:
            raise RuntimeError("the owner hung up")
        for event in self._h2.receive_data(data):
            self._is_answered |= isinstance(event, h2.events.StreamEnded)
        self._connection.sendall(self._h2.data_to_send())
