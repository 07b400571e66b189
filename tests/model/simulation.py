"""Drives the real encode, deliver, seal, amend, confirm and give_up through one seeded schedule.

Hosts and owners crash, messages are lost, repeated, delayed and reordered, clocks jump, disks are
full, the ring changes, ages run out. Then all is mended; `oracle.check` adds up.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from uuid import UUID

from tests.model.contributions import Contributions
from tests.model.course import Clocks, Course, Node, Violation
from tests.model.nodes import ACCEPT_WINDOW_MS, INTERVAL_MS, Crash, Host, OwnerNode
from tests.model.ring_changes import RingChanges
from tests.model.traffic import Sender, Traffic
from veneurpy.accounts import Loss
from veneurpy.forward.desk import Desk
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.testing import START_MS, FakeClock

MENDING_ROUNDS = 300
FOR_EVER_MS = 10**9


class World:
    """One schedule. A patient one loses nothing: no age, no bound and no clock is in the way."""

    def __init__(self, seed: int, *, steps: int = 300, is_patient: bool = False) -> None:
        self.course = Course(seed)
        self.rng = self.course.rng
        self.steps = steps
        self.is_patient = is_patient
        self.is_mended = False
        self.contributions = Contributions(self.rng)
        self.lost: dict[tuple[UUID, int], Loss] = {}
        names = ["o0", "o1", "o2"]
        table = EpochTable([Epoch(1, 0, tuple(names[: self.rng.choice([1, 2, 2])]))])
        self._ring = RingChanges(self.course, table)
        self._traffic = Traffic(self.course)
        self._clocks = Clocks(self.course)
        self._closed_ms = START_MS
        bound = 10**6 if is_patient else 0
        window_ms = FOR_EVER_MS if is_patient else ACCEPT_WINDOW_MS
        room, outbox = self.rng.choice([10**6, 10**6, 900]), self.rng.choice([10**6, 10**6, 1500])
        self.hosts = [
            Host(
                f"h{i}",
                FakeClock(),
                table,
                self._uuid,
                self.contributions.note_divided,
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

    @property
    def _nodes(self) -> list[Node]:
        return [*self.hosts, *self.owners]

    def _uuid(self) -> UUID:
        return self.contributions.new_uuid()

    def _new_owner(self, name: str, room: int, window_ms: int) -> OwnerNode:
        return OwnerNode(
            name,
            FakeClock(),
            self._ring.table,
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
        traffic, ring = self._traffic, self._ring
        return [
            (14.0, traffic.arrival),
            (6.0, lambda: traffic.send(self._sender(), self._owner())),
            (2.0, lambda: traffic.ask(self._sender(), self._owner())),
            (3.0, lambda: self._tick(self._owner())),
            (3.0, lambda: self._encode(self._host())),
            (4.0, lambda: self._pass(self.rng.choice([100, 300, 700]))),
            (0.3, lambda: self._crash(self._host())),
            (0.3, lambda: self._crash(self._owner())),
            (0.3, self._fill_a_disk),
            (0.6, self._mend_disks),
            (1.0, lambda: self._move_spare(self._host())),
            (0.2, lambda: traffic.cut(self._sender(), self._owner())),
            (0.5, traffic.mend),
            (0.15, lambda: ring.announce(self.members, self._closed_ms)),
            (0.5, ring.adopt),
            (0.1, lambda: ring.adopt_at(self._host())),
            (impatient, lambda: self._give_up(self._sender())),
            (0.15 * impatient, lambda: self._clocks.jump(self._nodes)),
            (0.06 * impatient, lambda: self._pass(self.rng.choice([5_000, 20_000, 40_000]))),
        ]

    def _host(self) -> Host:
        return self.rng.choice(self.hosts)

    def _sender(self) -> Sender:
        return self.rng.choice(self.senders)

    def _owner(self) -> OwnerNode:
        return self.rng.choice(self.owners)

    def _dies(self) -> bool:
        return not self.is_mended and self.rng.random() < 0.05

    def _pass(self, ms: int) -> None:
        """Time goes on for everybody; hosts close intervals."""
        self._clocks.go_on(self._nodes, ms)
        while not self.is_mended and self._closed_ms + INTERVAL_MS <= self.course.now_ms:
            self._ring.take_effect(self._closed_ms)
            for number, host in enumerate(self.hosts):
                host.arenas += self.contributions.arenas(host, number, self._closed_ms)
            self._closed_ms += INTERVAL_MS
        self.course.say(f"{ms} ms pass")

    def _crash(self, node: Node) -> None:
        self.course.say(f"{node.name} crashes")
        for sender in self.senders:
            if sender is node:
                self._collect(sender)
                self._traffic.forget(sender)
        node.start()

    def _fill_a_disk(self) -> None:
        node = self.rng.choice(self._nodes)
        node.database.is_full = True
        self.course.say(f"disk of {node.name} is full")

    def _mend_disks(self) -> None:
        for node in self._nodes:
            node.database.is_full = False

    def _move_spare(self, host: Host) -> None:
        try:
            self.course.quietly(host.move_spare)
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
        self.course.say(f"{host.name} encodes {arena.start_ms - START_MS}: {len(batches)}")
        self.contributions.note(host, arena)
        if arena in host.arenas:
            self._crash(host)

    def _give_up(self, host: Sender) -> None:
        def work() -> None:
            losses = host.dispatch.give_up_spare(host.database, host.most_bytes)
            losses += host.dispatch.give_up(host.database)
            for loss in losses:
                self.course.say(f"{host.name} {loss.word} {loss.reason} {loss.start_ms - START_MS}")

        self.course.quietly(work)

    def _collect(self, host: Sender) -> None:
        """Keeps what a process has named: it was in its log."""
        for loss in host.dispatch.accounts.named:
            key = (loss.uuid, loss.part)
            if self.lost.setdefault(key, loss) is not loss:
                raise Violation(f"lost twice: {loss}")

    def _tick(self, node: OwnerNode) -> None:
        before = dict(node.desk.sealed)
        try:
            node.tick(1 << 30 if self.is_mended else self.rng.choice([1, 3, 9, 100]))
        except Crash:
            self._crash(node)
        for start_ms, seal in node.desk.sealed.items():
            if before.get(start_ms) != seal:
                self.course.say(f"{node.name} seals {start_ms - START_MS} as {seal}")

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

    def _mend(self) -> None:
        """Nothing fails any more; goes on until nothing is pending anywhere."""
        self.is_mended = True
        self._mend_disks()
        self._traffic.mend()
        self._clocks.mend(self._nodes)
        self._ring.take_effect(self._closed_ms)
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
                self._traffic.send(sender, node)
                self._traffic.ask(sender, node)
        self._traffic.drain()
        for node in self.owners:
            self._tick(node)
        for sender in self.senders:
            self._give_up(sender)

    def _has_something(self, desk: Desk) -> bool:
        return bool(desk.open or desk.late or desk.restorations)

    def _is_quiet(self) -> bool:
        waiting = "SELECT count(*) FROM batches"
        return self._traffic.is_quiet and not any(
            [
                host.arenas or db.connection.execute(waiting).fetchone()[0]
                for host in self.hosts
                for db in (host.database, host.spare)
            ]
            + [self._has_something(node.desk) for node in self.owners]
        )
