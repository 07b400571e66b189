"""An owner for tests, without threads or a loop: intervals of a second, a hold of 0.4 s."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

import pytest

from tests.model.nodes import INTERVAL_MS, Crash, OwnerNode
from tests.model.stores import payload_of
from tests.spooled import records
from veneurpy.forward.answer import Answer
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.deliver import deliver
from veneurpy.forward.desk import Run
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.spool.database import Database
from veneurpy.testing import START_MS, FakeClock

TABLE = EpochTable([Epoch(1, 0, ("o0", "o1"))])
WINDOW_S, LATE_WINDOW_S = 30.0, 6.0
_T = TypeVar("_T")


def batch(
    value: float = 1.0,
    *,
    name: str = "a",
    number: int = 1,
    part: int = 0,
    of: int = 4,
    start_ms: int = START_MS,
    length_ms: int = INTERVAL_MS,
    epoch: int = 1,
    owner: str = "o0",
    sender: str = "h0",
    payload: bytes | None = None,
    is_whole: bool = True,
    sent_ms: int = 0,
) -> Batch:
    """A batch with one counter; `number` makes its uuid."""
    payload = payload_of({name: value}) if payload is None else payload
    crc = zlib.crc32(payload) + (not is_whole)
    id = BatchId(UUID(int=number), part, of)
    return Batch(id, start_ms, length_ms, epoch, owner, sender, payload, crc, 1, 1, sent_ms)


class Rig:
    """One owner past its first moments; the interval that starts at START_MS has just ended."""

    def __init__(self, *, most_bytes: int = 1 << 20) -> None:
        self.clock = FakeClock(START_MS - 5000)
        rng = random.Random(1)
        self.node = OwnerNode(
            "o0",
            self.clock,
            TABLE,
            lambda: UUID(int=rng.getrandbits(128)),
            lambda: False,
            most_bytes,
        )
        self.clock.advance(6.0)

    def deliver(self, given: Batch) -> str:
        """The answer as text: its kind and, if there is one, its reason."""
        return text(deliver(self.node.desk, given))

    def tick(self, seconds: float = 0.0) -> None:
        """Time passes; the owner looks what is due."""
        self.clock.advance(seconds)
        self.node.tick()

    def seal(self, given: Batch) -> None:
        """Has a batch published."""
        assert "held" == self.deliver(given)
        self.tick(1.5)
        assert given.start_ms in self.node.desk.sealed

    @property
    def rows(self) -> list[tuple[int, int, dict[str, float]]]:
        """(interval since START_MS, revision, values) of each seal, in order."""
        found = []
        for record in records(self.node.database):
            columns = record.columns
            values = {
                columns.names[columns.name[row]]: value for row, value in enumerate(columns.value)
            }
            found.append((record.start_ms - START_MS, record.parts[0].revision, values))
        return found


def text(answer: Answer) -> str:
    """Its kind and its reason."""
    return f"{answer.kind} {answer.reason}".strip()


def dying(run: Run, at: int) -> Run:
    """A way to the disk that dies when it is asked for the next time after so many."""
    left = [at]

    def asked(work: Callable[[Database], _T]) -> _T:
        left[0] -= 1
        if left[0] < 0:
            raise Crash
        return run(work)

    return asked


def nearly_full(monkeypatch: pytest.MonkeyPatch, steps: int) -> Callable[[], bool]:
    """A disk with room for so many steps that are written ahead; whether another was refused."""
    left = [steps]

    def has_room(*_: object) -> bool:
        left[0] -= 1
        return left[0] >= 0

    monkeypatch.setattr(Database, "_has_room", has_room)
    return lambda: left[0] < 0
