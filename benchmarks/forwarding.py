"""The two ends of the benchmarks of forwarding: an owner in a process of its own, and senders.

python -m benchmarks.forwarding         the owner: prints its port, then its CPU seconds on demand
"""

from __future__ import annotations

import asyncio
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import uvloop

from veneurpy.engine import EngineOptions, ImportStore, open_engine
from veneurpy.engine.reference_protobuf import bytes_field, double_field, varint_field
from veneurpy.forward.answer import HELD, Answer
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.listeners.grpc_import import GrpcImportListener
from veneurpy.ports import SystemClock
from veneurpy.telemetry import Telemetry

SERIES = 1000
HISTOGRAM, GLOBAL = 2, 2


def counter(number: int) -> bytes:
    """A metric as a Veneur forwards it: a counter of three tags."""
    return b"".join(
        (
            bytes_field(1, b"requests.count.%d" % (number % SERIES)),
            bytes_field(2, b"env:prod"),
            bytes_field(2, b"host:web-%03d" % (number % 100)),
            bytes_field(2, b"region:eu-central-1"),
            bytes_field(5, varint_field(1, number % 100 + 1)),
            varint_field(9, GLOBAL),
        )
    )


def digest(number: int, chance: Random, centroids: int = 50) -> bytes:
    """A histogram of so many centroids, of latencies as they are: they do not compress well."""
    means = sorted(chance.lognormvariate(3.0, 1.0) for _ in range(centroids))
    data = b"".join(
        bytes_field(1, double_field(1, mean) + double_field(2, float(chance.randint(1, 9))))
        for mean in means
    )
    data += double_field(2, 100.0) + double_field(3, means[0]) + double_field(4, means[-1])
    return b"".join(
        (
            bytes_field(1, b"request.time.%d" % (number % SERIES)),
            bytes_field(2, b"env:prod"),
            varint_field(3, HISTOGRAM),
            bytes_field(7, bytes_field(1, data)),
            varint_field(9, GLOBAL),
        )
    )


def in_data_frames(messages: Sequence[bytes], stream: int = 1) -> list[bytes]:
    """Each message in a DATA frame of its own, as grpc-go sends them."""
    frames = []
    for message in messages:
        body = b"\0" + struct.pack(">I", len(message)) + message
        frames.append(struct.pack(">I", len(body))[1:] + struct.pack(">BBI", 0, 0, stream) + body)
    return frames


class MergingOwner:
    """Merges all it is given into the store of one interval, on a thread, as an owner does."""

    def __init__(self) -> None:
        engine = open_engine("native", EngineOptions(), start_ms=time.time_ns() // 1_000_000)
        self._store: ImportStore = engine.open_import(0)
        self._thread = ThreadPoolExecutor(1)
        self.metrics = 0

    async def deliver(self, batch: Batch) -> Answer:
        """HELD, after it was merged."""
        if not batch.is_whole:
            raise RuntimeError("a batch came broken")
        merged = await self._run(
            lambda: self._store.merge(batch.payload, sender=batch.sender, received_ns=1)
        )
        self._count(merged)
        return HELD

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        return [HELD] * len(ids)

    def table(self) -> EpochTable:
        return EpochTable([Epoch(1, 0, ("owner",))])

    async def adopt(self, epoch: Epoch) -> bool:
        return True

    async def take_veneur(self, frames: bytes, *, sender: str) -> int:
        streamed = await self._run(
            lambda: self._store.merge_stream(frames, sender=sender, received_ns=1)
        )
        self._count(streamed.imported)
        return int(streamed.consumed)

    async def take_list(self, payload: bytes, *, sender: str) -> None:
        raise NotImplementedError

    def _count(self, merged: Any) -> None:
        if merged.rejected:
            raise RuntimeError(f"metrics were rejected: {merged.rejected}")
        self.metrics += merged.metrics

    async def _run(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


@dataclass(frozen=True, slots=True)
class OwnerProcess:
    """An owner that runs."""

    process: subprocess.Popen[str]
    port: int

    def spent(self) -> tuple[int, float]:
        """Metrics merged and CPU seconds of all threads, since its start."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        metrics, seconds = self.process.stdout.readline().split()
        return int(metrics), float(seconds)


@contextmanager
def owner() -> Iterator[OwnerProcess]:
    """An owner in a process of its own."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.forwarding"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield OwnerProcess(process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.communicate()


class _Silent:
    """Standard output is for the figures."""

    def log(self, level: int, event: str, **kwargs: Any) -> None:
        """Forgets the line."""


async def _serve() -> None:
    target = MergingOwner()
    telemetry = Telemetry(_Silent(), SystemClock())
    listener = GrpcImportListener(
        "127.0.0.1:0", target, telemetry=telemetry, is_healthy=lambda: True
    )
    print(await listener.start(), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(target.metrics, time.process_time(), flush=True)


if __name__ == "__main__":
    uvloop.run(_serve())
