"""An operator who plans another ring of owners while all goes on."""

from __future__ import annotations

from collections.abc import Sequence

from tests.model.course import Course, Violation
from tests.model.nodes import INTERVAL_MS, Host, OwnerNode
from veneurpy.forward import owner
from veneurpy.forward.epochs import Epoch, EpochTable


class RingChanges:
    """The rings so far, and the one that is planned: from the first to the last owner's consent."""

    def __init__(self, course: Course, table: EpochTable) -> None:
        self._course = course
        self.table = table
        self._coming: Epoch | None = None
        self._unadopted: list[OwnerNode] = []

    def announce(self, members: Sequence[OwnerNode], closed_ms: int) -> None:
        """A ring is planned, for some intervals later."""
        if self._coming is None and len(self.table.epochs) < 3:
            rng = self._course.rng
            names = tuple(rng.sample([node.name for node in members], 2))
            from_ms = closed_ms + INTERVAL_MS * rng.choice([2, 4])
            self._coming = Epoch(self.table.latest.number + 1, from_ms, names)
            self._unadopted = list(members)
            self._course.say(f"{self._coming} is planned")

    def adopt(self) -> None:
        """Some owner hears of it."""
        if self._coming is not None and self._unadopted:
            node, coming = self._course.rng.choice(self._unadopted), self._coming
            self._course.quietly(
                lambda: owner.adopt(node.desk, coming) and self._unadopted.remove(node)
            )

    def take_effect(self, closed_ms: int) -> None:
        """Where the interval begins from which the ring is another: all owners confirm it."""
        if self._coming is None or self._coming.from_ms > closed_ms:
            return
        for node in list(self._unadopted):
            node.database.is_full = False
            if not owner.adopt(node.desk, self._coming):
                raise Violation(f"{node.name} has taken something of {self._coming} before")
        self._unadopted = []
        self.table, self._coming = self.table.plus(self._coming), None
        self._course.say("the ring is in force")

    def adopt_at(self, host: Host) -> None:
        """A host learns what is in force."""
        self._course.quietly(lambda: host.membership.adopt(self.table, host.database))
