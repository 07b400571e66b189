"""Hosts and owners for tests, in one process: real spools and engines, no network."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import UUID

from tests.recording import Recorder
from veneurpy.engine import Engine, EngineKind, EngineOptions, Plan, open_engine
from veneurpy.forward.answer import Answer
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.desk import OwnerOptions
from veneurpy.forward.dispatch import HostOptions
from veneurpy.forward.divide import Divider
from veneurpy.forward.encode import Encoder
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.forward.local import LocalPeer
from veneurpy.forward.membership import Membership
from veneurpy.forward.owner import Owner
from veneurpy.forward.sender import Sender
from veneurpy.ports import PeerUnavailable
from veneurpy.spool import Owed, Part, Record, Spare, Spool
from veneurpy.telemetry import Telemetry
from veneurpy.testing import START_MS, FakeClock, columns_of

TURNS = 10
INTERVAL_MS = 10_000
SPARE_BYTES = 1000
Rows = dict[tuple[str, int], tuple[int, float]]
"""(name, interval): (revision, value)."""


class Kept:
    """A publisher that keeps what is offered."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def owed(self, record: Record) -> Sequence[Owed]:
        """One sink is owed everything."""
        return [Owed(record.uuid, record.start_ms, "sink", "debug", 0, len(record.columns))]

    def offer(self, record: Record) -> None:
        self.records.append(record)

    @property
    def rows(self) -> Rows:
        """The highest revision of everything."""
        found: Rows = {}
        for record in self.records:
            revision = record.parts[0].revision
            for row, value in enumerate(record.columns.value):
                key = record.columns.names[record.columns.name[row]], record.start_ms
                found[key] = max(found.get(key, (-1, 0.0)), (revision, value))
        return found


class Wire:
    """The way to an owner that can be cut."""

    def __init__(self, owner: Owner) -> None:
        self._peer = LocalPeer(owner)
        self.is_cut = False
        self.loses_answers = False
        self.delivered: list[Batch] = []

    @property
    def name(self) -> str:
        return self._peer.name

    @property
    def is_forgetful(self) -> bool | None:
        return False

    async def deliver(self, batch: Batch) -> Answer:
        if self.is_cut:
            raise PeerUnavailable("no route", may_have_been_applied=False)
        self.delivered.append(batch)
        answer = await self._peer.deliver(batch)
        if self.loses_answers:
            raise PeerUnavailable("no answer", may_have_been_applied=True)
        return answer

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        if self.is_cut:
            raise PeerUnavailable("no route", may_have_been_applied=False)
        return await self._peer.confirm(ids)


class Fleet:
    """Owners and one host of them. `start` it, `close` it last."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        names: Sequence[str] = ("o0",),
        plan: Plan | None = None,
        clock: FakeClock | None = None,
        engine: EngineKind = "python",
    ) -> None:
        self.clock = clock or FakeClock()
        self.log = Recorder()
        self.telemetry = Telemetry(self.log, self.clock)
        self.failures: list[tuple[str, str]] = []
        self.table = EpochTable([Epoch(1, 0, tuple(names))])
        self.engine: Engine = open_engine(
            engine, EngineOptions(), start_ms=self.clock.now_ns() // 1_000_000
        )
        self.reader = self.engine.open_reader("test")
        self.spools: list[Spool] = []
        self.kept = {name: Kept() for name in names}
        self.owners = {name: self._owner(name, plan or Plan(), folder) for name in names}
        self.wires = {name: Wire(owner) for name, owner in self.owners.items()}
        self.membership = Membership(self.table)
        self.encoder = Encoder("h0", INTERVAL_MS, owns=False)
        self.spool = self._spool(folder / "h0" if folder is not None else None)
        self.sender = Sender(
            HostOptions("h0", INTERVAL_MS),
            spool=self.spool,
            clock=self.clock,
            membership=self.membership,
            divide=Divider(self.encoder.owners),
            peers=lambda name: self.wires[name],
            telemetry=self.telemetry,
        )
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Everything runs, but the owners' ticks."""
        for spool in self.spools:
            await spool.open()
        for owner in self.owners.values():
            await owner.start()
        await self.sender.start()
        self._task = asyncio.create_task(self.sender.run())

    async def close(self) -> None:
        """As a process ends."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        for owner in self.owners.values():
            await owner.close()
        for spool in self.spools:
            await spool.close()
        self.engine.close()

    async def flush(self, *lines: str) -> None:
        """An interval in which the host received these lines."""
        for line in lines:
            self.reader.feed(line.encode(), now_ns=self.clock.now_ns())
        self.clock.advance(INTERVAL_MS / 1000)
        now_ms = self.clock.now_ns() // 1_000_000
        interval = self.engine.rotate(now_ms)
        outgoing = self.encoder.outgoing(
            interval, table=self.membership.table, carry=self.sender.carry
        )
        record = Record(interval.uuid, interval.start_ms, "h0", columns_of([]), [Part(None, 1, 0)])
        committed = await asyncio.to_thread(
            lambda: self.spool.commit(
                record,
                [],
                end_ms=now_ms,
                now_ms=now_ms,
                batches=outgoing.batches,
                also=outgoing.keep_carry,
                after=self.sender.booking(outgoing.batches),
            )
        )
        interval.release()
        self.sender.encoded(outgoing.batches, outgoing.carry, is_kept=committed.kept)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Lets time pass, in steps, until something is so.

        Between the steps threads have some turns: what they do takes no time of the clock.
        """
        async with asyncio.timeout(20):
            while not condition():
                self.clock.advance(0.25)
                for _ in range(TURNS):
                    for owner in self.owners.values():
                        await owner.tick()
                    for spool in self.spools:
                        await spool.do(lambda _: None)

    @property
    def pending(self) -> int:
        return self.sender.accounts.pending.batches

    def _owner(self, name: str, plan: Plan, folder: Path | None) -> Owner:
        spool = self._spool(folder / name if folder is not None else None, is_owner=True)
        return Owner(
            OwnerOptions(name, name, INTERVAL_MS, hold_ms=2000),
            engine=self.engine,
            plan=plan,
            spool=spool,
            clock=self.clock,
            membership=Membership(self.table),
            publisher=self.kept[name],
            telemetry=self.telemetry,
        )

    def _spool(self, folder: Path | None, *, is_owner: bool = False) -> Spool:
        if folder is not None:
            folder.mkdir(exist_ok=True)
        spare = None
        if folder is not None and not is_owner:
            spare = Spare(folder.with_name(f"{folder.name}-arenas"), most_bytes=SPARE_BYTES)
        spool = Spool(
            folder,
            most_bytes=1 << 30,
            oldest_s=3600.0,
            failed=lambda what, error: self.failures.append((what, error)),
            is_owner=is_owner,
            spare=spare,
        )
        self.spools.append(spool)
        return spool


def batch(
    payload: bytes = b"",
    *,
    uuid: int = 1,
    part: int = 0,
    of: int = 1,
    start_ms: int = START_MS,
    length_ms: int = INTERVAL_MS,
    epoch: int = 1,
    owner: str = "o0",
    sender: str = "h0",
    crc: int | None = None,
    sent_ms: int = 0,
) -> Batch:
    """A batch of one's own making."""
    return Batch(
        BatchId(UUID(int=uuid), part, of),
        start_ms,
        length_ms,
        epoch,
        owner,
        sender,
        payload,
        zlib.crc32(payload) if crc is None else crc,
        1,
        1,
        sent_ms,
    )
