"""How much does one owner take from others?"""

from __future__ import annotations

import asyncio
import socket
import struct
import time
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import UUID

import h2.config
import h2.connection
import h2.events

from benchmarks.answers import Answer, Figure, Target
from benchmarks.c_loop import machine_speed
from benchmarks.forwarding import OwnerProcess, counter, digest, in_data_frames, owner
from benchmarks.load import Load, write_lines
from veneurpy.engine.reference_protobuf import bytes_field
from veneurpy.forward.answer import HELD
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.grpc_peer import GrpcPeer

STREAMED = 400_000
DIGESTS = 100_000
IN_A_BATCH = 800
LANES = 4
BURST_BYTES = 1 << 16
TURNS = 3
"""A round: the machine's speed changes within seconds."""

METHOD = """\
The owner is a process of its own: the gRPC listener on uvloop, and the native engine's import store
behind it. "Veneur's stream" is one SendMetricsV2 of counters of three tags, each in a DATA frame of
its own as grpc-go sends them, written by a client that honours the flow control windows. "Own
method" is batches of 800 digests of 50 centroids, sent by four lanes of one client with compression
and checksum. Wall time until everything is answered, with sender and owner on one machine; and CPU
seconds, all threads. Scaled to a machine on which `c_loop` takes 20 M lines/s (it runs just before
each)."""


def measure(rounds: int) -> Answer:
    """Answers it."""
    messages = [counter(i) for i in range(1000)]
    chance = Random(1)
    payload = b"".join(bytes_field(1, digest(i, chance)) for i in range(IN_A_BATCH))
    streams, own = list[Rates](), list[Rates]()
    with TemporaryDirectory() as folder:
        lines = Path(folder, "lines")
        write_lines(Load(mix="counters"), lines, 1_000_000)
        for _ in range(rounds * TURNS):
            with owner() as process:
                send = partial(_stream, process.port, messages)
                streams.append(_rates(process, STREAMED, send, machine_speed(lines)))
                send = partial(_deliver, process.port, payload)
                own.append(_rates(process, DIGESTS, send, machine_speed(lines)))
    return Answer(
        "Forwarding to one owner",
        METHOD,
        (
            *_figures("Veneur's stream", "metrics", streams, Target(">=", 60_000)),
            *_figures("own method", "digests", own, Target(">=", 100_000)),
        ),
    )


class Rates(NamedTuple):
    """Of one round."""

    by_wall: float
    by_owner: float
    """A CPU second of the owner."""
    by_both: float
    """A CPU second of owner and sender together."""


def _figures(what: str, unit: str, rounds: list[Rates], target: Target) -> tuple[Figure, ...]:
    by_wall, by_owner, by_both = zip(*rounds, strict=True)
    return (
        Figure(what, f"{unit}/s", by_wall, target),
        Figure(f"{what}, owner", f"{unit} per CPU-s", by_owner),
        Figure(f"{what}, both ends", f"{unit} per CPU-s", by_both),
    )


def _rates(process: OwnerProcess, count: int, send: Callable[[], None], scale: float) -> Rates:
    """How many a second. Raises unless all of them were merged."""
    had, owner_s = process.spent()
    start_s, sender_s = time.perf_counter(), time.process_time()
    send()
    took_s, sender_s = time.perf_counter() - start_s, time.process_time() - sender_s
    merged, now_s = process.spent()
    owner_s = now_s - owner_s
    if merged - had != count:
        raise RuntimeError(f"{count} metrics sent, {merged - had} merged")
    spent = (took_s, owner_s, owner_s + sender_s)
    return Rates(*(count / seconds / scale for seconds in spent))


def _deliver(port: int, payload: bytes) -> None:
    asyncio.run(_send(port, payload))


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
