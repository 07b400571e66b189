"""Drives the real encode, deliver, seal, amend, confirm and give_up through one seeded schedule.

Hosts and owners crash, messages are lost, repeated, delayed and reordered, clocks jump, disks are
full, the ring changes, ages run out. Then all is mended; `oracle.check` adds up.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from tests.model.nodes import (
    ACCEPT_WINDOW_MS,
    INTERVAL_MS,
    Arena,
    Crash,
    FlakyDatabase,
    Host,
    OwnerNode,
)
from tests.model.stores import Contents, contents_of
from tests.spooled import waiting
from veneurpy.accounts import Loss
from veneurpy.engine import Encoded
from veneurpy.forward import confirm, deliver, owner
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.desk import Desk
from veneurpy.forward.dispatch import Dispatch
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.spool.outbox import FORWARD
from veneurpy.testing import START_MS, FakeClock

SERIES = ("a", "b", "c", "d")
MENDING_ROUNDS = 300
FOR_EVER_MS = 10**9


class Violation(AssertionError):
    """The protocol broke its promise."""


@dataclass(frozen=True, slots=True)
class Message:
    """On its way, in either direction; `arrive` is what happens when it gets there."""

    arrive: Callable[[], None]
    text: str
    link: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one arena of a host has of an interval: a digit of its own in every counter."""

    start_ms: int
    digit: int
    contents: Contents


class Sender(Protocol):
    """A host, or an owner that passes on."""

    name: str
    clock: FakeClock
    database: FlakyDatabase
    most_bytes: int
    dispatch: Dispatch


class World:
    """One schedule. A patient one loses nothing: no age, no bound and no clock is in the way."""

    def __init__(self, seed: int, *, steps: int = 300, is_patient: bool = False) -> None:
        self.rng = random.Random(seed)
        self.steps = steps
        self.is_patient = is_patient
        self.is_mended = False
        self.log: list[str] = []
        self.contributions: dict[tuple[UUID, int], Contribution] = {}
        self.lost: dict[tuple[UUID, int], Loss] = {}
        self.now_ms = START_MS
        names = ["o0", "o1", "o2"]
        self._table = EpochTable([Epoch(1, 0, tuple(names[: self.rng.choice([1, 2, 2])]))])
        self._coming: Epoch | None = None
        self._unadopted: list[OwnerNode] = []
        self._messages: list[Message] = []
        self._under_way: set[tuple[str, UUID, int]] = set()
        self._cut: set[tuple[int, int]] = set()
        self._jumped: dict[int, float] = {}
        self._divided: Sequence[Encoded] = ()
        self._divided_of: Batch | None = None
        self._closed_ms = START_MS
        bound = 10**6 if is_patient else 0
        window_ms = FOR_EVER_MS if is_patient else ACCEPT_WINDOW_MS
        room, outbox = self.rng.choice([10**6, 10**6, 900]), self.rng.choice([10**6, 10**6, 1500])
        self.hosts = [
            Host(
                f"h{i}",
                FakeClock(),
                self._table,
                self._uuid,
                self._note_divided,
                self._dies,
                bound or outbox,
                window_ms,
            )
            for i in range(self.rng.choice([2, 3]))
        ]
        self.owners = [self._new_owner(name, bound or room, window_ms) for name in names]

    @property
    def senders(self) -> Sequence[Sender]:
        """Who has batches for owners."""
        return self.hosts

    @property
    def members(self) -> Sequence[OwnerNode]:
        """Who hosts send to, now or after a change of their ring."""
        return self.owners

    def _new_owner(self, name: str, room: int, window_ms: int) -> OwnerNode:
        return OwnerNode(
            name,
            FakeClock(),
            self._table,
            self._uuid,
            self._dies,
            room,
            window_ms,
            at_once_bytes=self.rng.choice([0, 0, 1 << 20]),
        )

    def run(self) -> None:
        """All steps, then the mending. Raises Violation."""
        events = self._events()
        weights = [weight for weight, _ in events]
        for step in range(self.steps):
            _, event = self.rng.choices(events, weights)[0]
            event()
            if step % 4 == 0:
                self._check_accounts()
        self._mend()

    def _events(self) -> list[tuple[float, Callable[[], None]]]:
        impatient = 0.0 if self.is_patient else 1.0
        return [
            (14.0, self._arrival),
            (6.0, lambda: self._send(self._sender(), self.rng.choice(self.owners))),
            (2.0, lambda: self._ask(self._sender(), self.rng.choice(self.owners))),
            (3.0, lambda: self._tick(self.rng.choice(self.owners))),
            (3.0, lambda: self._encode(self._host())),
            (4.0, lambda: self._pass(self.rng.choice([100, 300, 700]))),
            (0.3, lambda: self._crash(self._host())),
            (0.3, lambda: self._crash(self.rng.choice(self.owners))),
            (0.3, self._fill_a_disk),
            (0.6, self._mend_disks),
            (1.0, lambda: self._move_spare(self._host())),
            (0.2, lambda: self._cut.add(self._link())),
            (0.5, lambda: self._cut.clear()),
            (0.15, self._announce),
            (0.5, self._adopt),
            (0.1, lambda: self._adopt_at(self._host())),
            (impatient, lambda: self._give_up(self._sender())),
            (0.15 * impatient, self._jump),
            (0.06 * impatient, lambda: self._pass(self.rng.choice([5_000, 20_000, 40_000]))),
        ]

    def _host(self) -> Host:
        return self.rng.choice(self.hosts)

    def _sender(self) -> Sender:
        return self.rng.choice(self.senders)

    def _link(self) -> tuple[int, int]:
        return self.rng.randrange(len(self.senders)), self.rng.randrange(len(self.owners))

    def _dies(self) -> bool:
        return not self.is_mended and self.rng.random() < 0.05

    def _say(self, text: str) -> None:
        self.log.append(f"{self.now_ms - START_MS:>7} {text}")

    # Time

    def _pass(self, ms: int) -> None:
        """Time goes on for everybody; hosts close intervals."""
        self.now_ms += ms
        for node in (*self.hosts, *self.owners):
            node.clock.advance(ms / 1000)
        while not self.is_mended and self._closed_ms + INTERVAL_MS <= self.now_ms:
            if self._coming is not None and self._coming.from_ms <= self._closed_ms:
                self._activate()
            for number, host in enumerate(self.hosts):
                for piece in range(self.rng.choice([1, 1, 1, 2])):
                    host.arenas.append(self._arena(host, 2 * number + piece))
            self._closed_ms += INTERVAL_MS
        self._say(f"{ms} ms pass")

    def _arena(self, host: Host, digit: int) -> Arena:
        names = [name for name in SERIES if self.rng.random() < 0.7] or ["a"]
        gauges = {"g": (self._closed_ms * 100 + digit, host.name, float(digit))}
        contents = dict.fromkeys(names, 4.0**digit), gauges
        return Arena(self._uuid(), self._closed_ms, contents)

    def _jump(self) -> None:
        """The clock of one node, or of all of them, is set; or is right again."""
        everybody = range(len(self.hosts) + len(self.owners))
        numbers = everybody if self.rng.random() < 0.4 else [self.rng.choice(everybody)]
        seconds = self.rng.choice([-40.0, -8.0, -1.5, -0.8, 0.8, 1.5, 8.0, 40.0, 3600.0])
        is_mending = self.rng.random() < 0.5
        for number in numbers:
            step_s = -self._jumped.get(number, 0.0) if is_mending else seconds
            self._jumped[number] = self._jumped.get(number, 0.0) + step_s
            [*self.hosts, *self.owners][number].clock.jump(step_s)
            self._say(f"clock of node {number} jumps {step_s}")

    # Processes and disks

    def _crash(self, node: Host | OwnerNode) -> None:
        self._say(f"{node.name} crashes")
        for sender in self.senders:
            if sender is node:
                self._collect(sender)
                self._under_way = {key for key in self._under_way if key[0] != node.name}
        node.start()

    def _fill_a_disk(self) -> None:
        node = self.rng.choice([*self.hosts, *self.owners])
        node.database.is_full = True
        self._say(f"disk of {node.name} is full")

    def _mend_disks(self) -> None:
        for node in (*self.hosts, *self.owners):
            node.database.is_full = False

    # Hosts

    def _move_spare(self, host: Host) -> None:
        try:
            self._quietly(host.move_spare)
        except Crash:
            self._crash(host)

    def _encode(self, host: Host) -> None:
        if not host.arenas:
            return
        arena = host.arenas[0]
        try:
            batches = host.take_up()
        except Crash:
            batches = []
        except sqlite3.Error:
            return
        self._say(f"{host.name} encodes {arena.start_ms - START_MS}: {len(batches)}")
        self._note_batches(host, arena)
        if arena in host.arenas:
            self._crash(host)

    def _note_batches(self, host: Host, arena: Arena) -> None:
        """Remembers what is in the batches of an arena, as the database has them."""
        digit = round(next(iter(arena.contents[1].values()))[2])
        for database in (host.database, host.spare):
            for batch in waiting(database, FORWARD):
                if batch.id.uuid == arena.uuid:
                    found = Contribution(arena.start_ms, digit, contents_of(batch.payload))
                    self.contributions.setdefault((arena.uuid, batch.id.part), found)

    def _note_divided(self, batch: Batch, pieces: Sequence[Encoded]) -> None:
        self._divided_of, self._divided = batch, pieces

    def _uuid(self) -> UUID:
        uuid = UUID(int=self.rng.getrandbits(128), version=4)
        if self._divided_of is not None:
            whole = self.contributions[self._divided_of.id.uuid, self._divided_of.id.part]
            for part, piece in enumerate(self._divided):
                known = replace(whole, contents=contents_of(piece.payload))
                self.contributions[uuid, part] = known
            self._divided_of = None
        return uuid

    def _send(self, host: Sender, node: OwnerNode) -> None:
        """Hands out what waits for an owner; each batch may get lost or come more than once."""
        try:
            batches = host.dispatch.next(host.database, node.name)
        except sqlite3.Error:
            return
        for batch in batches:
            key = (host.name, batch.id.uuid, batch.id.part)
            if key in self._under_way:
                continue
            if self._is_cut(host, node) and self.rng.random() < 0.5:
                self._quietly(lambda b=batch: host.dispatch.unsent(host.database, [b]))
                continue
            self._under_way.add(key)
            stamped = replace(batch, sent_ms=host.clock.now_ns() // 1_000_000)
            for _ in range(self.rng.choice([1, 1, 1, 2])):
                self._request(host, node, stamped)

    def _request(self, host: Sender, node: OwnerNode, batch: Batch) -> None:
        process = host.dispatch

        def arrive() -> None:
            answer = deliver.deliver(node.desk, batch)
            self._say(f"{node.name} says {answer.kind} {answer.reason} to {self._name(batch)}")

            def back() -> None:
                key = (host.name, batch.id.uuid, batch.id.part)
                if host.dispatch is process and key in self._under_way:
                    self._under_way.discard(key)
                    self._quietly(lambda: process.answered(host.database, batch, answer))

            self._post(back, f"{answer.kind} to {host.name}", host, node)

        self._post(arrive, f"{self._name(batch)} to {node.name}", host, node)

    def _name(self, batch: Batch) -> str:
        return (
            f"{batch.sender}:{batch.start_ms - START_MS}/{batch.id.part}({batch.id.uuid.hex[:4]})"
        )

    def _ask(self, host: Sender, node: OwnerNode) -> None:
        """Asks an owner about what it holds."""
        ids = host.dispatch.to_confirm(host.database, node.name)
        process = host.dispatch

        def arrive() -> None:
            answers = confirm.confirm(node.desk, ids)

            def back() -> None:
                if host.dispatch is process:
                    self._quietly(lambda: process.confirmed(host.database, node.name, ids, answers))

            self._post(back, "confirmed", host, node)

        if ids:
            self._post(arrive, "confirm", host, node)

    def _give_up(self, host: Sender) -> None:
        def work() -> None:
            losses = host.dispatch.give_up_spare(host.database, host.most_bytes)
            losses += host.dispatch.give_up(host.database)
            for loss in losses:
                self._say(f"{host.name} {loss.word} {loss.reason} {loss.start_ms - START_MS}")

        self._quietly(work)

    def _collect(self, host: Sender) -> None:
        """Keeps what a process has named: it was in its log."""
        for loss in host.dispatch.accounts.named:
            key = (loss.uuid, loss.part)
            if self.lost.setdefault(key, loss) is not loss:
                raise Violation(f"lost twice: {loss}")

    # The network

    def _is_cut(self, host: Sender, node: OwnerNode) -> bool:
        return self._link_of(host, node) in self._cut

    def _link_of(self, host: Sender, node: OwnerNode) -> tuple[int, int]:
        (sender,) = (i for i, each in enumerate(self.senders) if each is host)
        (owner,) = (i for i, each in enumerate(self.owners) if each is node)
        return sender, owner

    def _post(self, arrive: Callable[[], None], text: str, host: Sender, node: OwnerNode) -> None:
        self._messages.append(Message(arrive, text, self._link_of(host, node)))

    def _arrival(self) -> None:
        """Some message arrives, is lost, or is taken for lost and arrives later."""
        if not self._messages:
            return
        chance = self.rng.random()
        message = self.rng.choice(self._messages)
        if chance < 0.08:
            self._time_out()
            return
        if chance < 0.95:
            self._messages.remove(message)
        if message.link in self._cut or chance < 0.15:
            self._say(f"lost: {message.text}")
            return
        message.arrive()

    def _time_out(self) -> None:
        """A sender waits no longer; what it sent may still arrive."""
        if self._under_way:
            name, uuid, part = self.rng.choice(sorted(self._under_way))
            self._under_way.discard((name, uuid, part))
            host = next(host for host in self.senders if host.name == name)
            host.dispatch.unanswered(BatchId(uuid, part, self._of_parts(uuid)))

    def _of_parts(self, uuid: UUID) -> int:
        return sum(known == uuid for known, _ in self.contributions)

    # Owners

    def _tick(self, node: OwnerNode) -> None:
        before = dict(node.desk.sealed)
        try:
            node.tick(1 << 30 if self.is_mended else self.rng.choice([1, 3, 9, 100]))
        except Crash:
            self._crash(node)
        for start_ms, seal in node.desk.sealed.items():
            if before.get(start_ms) != seal:
                self._say(f"{node.name} seals {start_ms - START_MS} as {seal}")

    def _announce(self) -> None:
        """An operator plans another ring, for some intervals later."""
        if self._coming is None and len(self._table.epochs) < 3:
            members = tuple(self.rng.sample([node.name for node in self.members], 2))
            from_ms = self._closed_ms + INTERVAL_MS * self.rng.choice([2, 4])
            self._coming = Epoch(self._table.latest.number + 1, from_ms, members)
            self._unadopted = list(self.members)
            self._say(f"{self._coming} is planned")

    def _adopt(self) -> None:
        if self._coming is not None and self._unadopted:
            node, coming = self.rng.choice(self._unadopted), self._coming
            self._quietly(lambda: owner.adopt(node.desk, coming) and self._unadopted.remove(node))

    def _activate(self) -> None:
        """The interval begins from which the ring is another: all owners have confirmed it."""
        assert self._coming is not None
        for node in list(self._unadopted):
            node.database.is_full = False
            if not owner.adopt(node.desk, self._coming):
                raise Violation(f"{node.name} has taken something of {self._coming} before")
        self._unadopted = []
        self._table, self._coming = self._table.plus(self._coming), None
        self._say("the ring is in force")

    def _adopt_at(self, host: Host) -> None:
        self._quietly(lambda: host.membership.adopt(self._table, host.database))

    def _quietly(self, work: Callable[[], object]) -> None:
        """A full disk is no violation."""
        try:
            work()
        except sqlite3.Error as exc:
            self._say(f"disk: {exc}")

    def _check_accounts(self) -> None:
        """Every equation holds at every step."""
        for host in self.senders:
            broken = [e for e in host.dispatch.accounts.equations() if not e.holds]
            if broken:
                raise Violation(f"{host.name}: {broken[0]}")
        for node in self.owners:
            broken = [e for e in node.desk.accounts.equations() if not e.holds]
            if broken:
                raise Violation(f"{node.name}: {broken[0]}")

    # The end

    def _mend(self) -> None:
        """Nothing fails any more; goes on until nothing is pending anywhere."""
        self.is_mended = True
        self._mend_disks()
        self._cut.clear()
        for number, seconds in self._jumped.items():
            [*self.hosts, *self.owners][number].clock.jump(-seconds)
        if self._coming is not None and self._coming.from_ms <= self._closed_ms:
            self._activate()
        for _ in range(MENDING_ROUNDS):
            if self._is_quiet():
                break
            self._mending_round()
            self._check_accounts()
        else:
            raise Violation("it does not come to an end")
        for host in self.senders:
            host.dispatch.recount(host.database)
            self._collect(host)
        self._check_accounts()

    def _mending_round(self) -> None:
        self._pass(400)
        for host in self.hosts:
            self._move_spare(host)
            while host.arenas:
                self._encode(host)
        for sender in self.senders:
            for node in self.owners:
                self._send(sender, node)
                self._ask(sender, node)
        while self._messages:
            self._messages.pop(self.rng.randrange(len(self._messages))).arrive()
        self._under_way.clear()
        for node in self.owners:
            self._tick(node)
        for sender in self.senders:
            self._give_up(sender)

    def _has_something(self, desk: Desk) -> bool:
        return bool(desk.open or desk.late or desk.restorations)

    def _is_quiet(self) -> bool:
        waiting = "SELECT count(*) FROM batches"
        return not self._messages and not any(
            [
                host.arenas or db.connection.execute(waiting).fetchone()[0]
                for host in self.hosts
                for db in (host.database, host.spare)
            ]
            + [self._has_something(node.desk) for node in self.owners]
        )
