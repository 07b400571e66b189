"""A target of the gRPC listener that remembers what it was given, and the listener around it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.recording import Recorder
from veneurpy.forward.answer import DONE, HELD, UNKNOWN, Answer
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.listeners.grpc_import import GrpcImportListener
from veneurpy.ports import ImportRefused
from veneurpy.rpc.limits import Limits
from veneurpy.rpc.stream import MESSAGE_PREFIX
from veneurpy.rpc.tls import ServerTls
from veneurpy.telemetry import Telemetry
from veneurpy.testing import FakeClock


@dataclass
class RememberingTarget:
    """Holds every batch, and keeps the messages of Veneur's streams."""

    batches: list[Batch] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    lists: list[bytes] = field(default_factory=list)
    senders: set[str] = field(default_factory=set)
    epochs: list[Epoch] = field(default_factory=lambda: [Epoch(1, 0, ("a", "b"))])
    answer: Answer = HELD
    refusal: ImportRefused | None = None

    async def deliver(self, batch: Batch) -> Answer:
        self.batches.append(batch)
        return self.answer

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        known = {batch.id for batch in self.batches}
        return [DONE if id in known else UNKNOWN for id in ids]

    def table(self) -> EpochTable:
        return EpochTable(self.epochs)

    async def adopt(self, epoch: Epoch) -> bool:
        self.epochs = list(EpochTable(self.epochs).plus(epoch).epochs)
        return True

    async def take_veneur(self, frames: bytes, *, sender: str) -> int:
        if self.refusal:
            raise self.refusal
        self.senders.add(sender)
        at = 0
        while len(frames) - at >= MESSAGE_PREFIX.size:
            after = at + MESSAGE_PREFIX.size + MESSAGE_PREFIX.unpack_from(frames, at)[1]
            if after > len(frames):
                break
            self.messages.append(frames[at + MESSAGE_PREFIX.size : after])
            at = after
        return at

    async def take_list(self, payload: bytes, *, sender: str) -> None:
        if self.refusal:
            raise self.refusal
        self.lists.append(payload)


@dataclass
class Served:
    """A listener that runs."""

    target: RememberingTarget
    listener: GrpcImportListener
    address: str
    log: Recorder
    telemetry: Telemetry


@asynccontextmanager
async def served(
    *,
    limits: Limits | None = None,
    tls: ServerTls | None = None,
    target: RememberingTarget | None = None,
    relays: Iterable[str] = (),
    ring_admins: Collection[str] = (),
) -> AsyncIterator[Served]:
    """A listener on a port of its own, in front of a RememberingTarget."""
    target, log = target or RememberingTarget(), Recorder()
    telemetry = Telemetry(log, FakeClock())
    listener = GrpcImportListener(
        "127.0.0.1:0",
        target,
        telemetry=telemetry,
        is_healthy=lambda: True,
        limits=limits,
        tls=tls,
        relays=lambda: relays,
        ring_admins=ring_admins,
    )
    port = await listener.start()
    try:
        yield Served(target, listener, f"127.0.0.1:{port}", log, telemetry)
    finally:
        await listener.stop(1.0)
