"""Batches and questions on their way to owners, and answers on their way back."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol
from uuid import UUID

from tests.model.course import Course
from tests.model.nodes import FlakyDatabase, OwnerNode
from veneurpy.forward import confirm, deliver
from veneurpy.forward.batch import Batch
from veneurpy.forward.dispatch import Dispatch
from veneurpy.testing import START_MS, FakeClock

Link = tuple[str, str]
"""(name of a sender, name of an owner)."""
Key = tuple[str, UUID, int]
"""(name of a sender, uuid and part of its batch)."""


class Sender(Protocol):
    """A host, or an owner that passes on."""

    name: str
    clock: FakeClock
    database: FlakyDatabase
    most_bytes: int
    dispatch: Dispatch


@dataclass(frozen=True, slots=True)
class Message:
    """On its way, in either direction; `arrive` is what happens when it gets there."""

    arrive: Callable[[], None]
    text: str
    link: Link


class Traffic:
    """A network that loses, repeats, delays and reorders, and senders that wait for answers."""

    def __init__(self, course: Course) -> None:
        self._course = course
        self._messages: list[Message] = []
        self._under_way: dict[Key, tuple[Sender, Batch]] = {}
        self._cut: set[Link] = set()

    @property
    def is_quiet(self) -> bool:
        """Nothing is on its way."""
        return not self._messages

    def cut(self, sender: Sender, node: OwnerNode) -> None:
        """Nothing arrives between them any more."""
        self._cut.add((sender.name, node.name))

    def mend(self) -> None:
        """No link is cut."""
        self._cut.clear()

    def forget(self, sender: Sender) -> None:
        """Its process is gone, and what it waited for."""
        for key in [key for key in self._under_way if key[0] == sender.name]:
            del self._under_way[key]

    def send(self, sender: Sender, node: OwnerNode) -> None:
        """Hands out what waits for an owner; each batch may get lost or come more than once."""
        rng = self._course.rng
        try:
            batches = sender.dispatch.next(sender.database, node.name)
        except sqlite3.Error:
            return
        for batch in batches:
            key = (sender.name, batch.id.uuid, batch.id.part)
            if key in self._under_way:
                continue
            if (sender.name, node.name) in self._cut and rng.random() < 0.5:
                self._course.quietly(lambda b=batch: sender.dispatch.unsent(sender.database, [b]))
                continue
            self._under_way[key] = sender, batch
            stamped = replace(batch, sent_ms=sender.clock.now_ns() // 1_000_000)
            for _ in range(rng.choice([1, 1, 1, 2])):
                self._request(sender, node, stamped)

    def _request(self, sender: Sender, node: OwnerNode, batch: Batch) -> None:
        process = sender.dispatch

        def arrive() -> None:
            answer = deliver.deliver(node.desk, batch)
            self._course.say(f"{node.name} says {answer.kind} {answer.reason} to {_name(batch)}")

            def back() -> None:
                key = (sender.name, batch.id.uuid, batch.id.part)
                if sender.dispatch is process and key in self._under_way:
                    del self._under_way[key]
                    self._course.quietly(lambda: process.answered(sender.database, batch, answer))

            self._post(back, f"{answer.kind} to {sender.name}", sender, node)

        self._post(arrive, f"{_name(batch)} to {node.name}", sender, node)

    def ask(self, sender: Sender, node: OwnerNode) -> None:
        """Asks an owner about what it holds."""
        ids = sender.dispatch.to_confirm(sender.database, node.name)
        process = sender.dispatch

        def arrive() -> None:
            answers = confirm.confirm(node.desk, ids)

            def back() -> None:
                if sender.dispatch is process:
                    self._course.quietly(
                        lambda: process.confirmed(sender.database, node.name, ids, answers)
                    )

            self._post(back, "confirmed", sender, node)

        if ids:
            self._post(arrive, "confirm", sender, node)

    def _post(self, arrive: Callable[[], None], text: str, sender: Sender, node: OwnerNode) -> None:
        self._messages.append(Message(arrive, text, (sender.name, node.name)))

    def arrival(self) -> None:
        """Some message arrives, is lost, or is taken for lost and arrives later."""
        if not self._messages:
            return
        chance = self._course.rng.random()
        message = self._course.rng.choice(self._messages)
        if chance < 0.08:
            self._time_out()
            return
        if chance < 0.95:
            self._messages.remove(message)
        if message.link in self._cut or chance < 0.15:
            self._course.say(f"lost: {message.text}")
            return
        message.arrive()

    def _time_out(self) -> None:
        """A sender waits no longer; what it sent may still arrive."""
        if self._under_way:
            sender, batch = self._under_way.pop(self._course.rng.choice(sorted(self._under_way)))
            sender.dispatch.unanswered(batch.id)

    def drain(self) -> None:
        """All arrives, in any order, and nobody waits any more."""
        while self._messages:
            self._messages.pop(self._course.rng.randrange(len(self._messages))).arrive()
        self._under_way.clear()


def _name(batch: Batch) -> str:
    return f"{batch.sender}:{batch.start_ms - START_MS}/{batch.id.part}({batch.id.uuid.hex[:4]})"
