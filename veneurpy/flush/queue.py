"""The jobs of one lane: what waits, what is under way, and what of it is in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from uuid import UUID

from veneurpy.flush.delivery import Call, Job


class Queue:
    """Oldest first. At most `most_in_memory` waiting jobs are in memory, if their owner obeys."""

    def __init__(self, most_in_memory: int) -> None:
        self._most_in_memory = most_in_memory
        self._waiting: deque[Job] = deque()
        self.current: Job | None = None
        """What the lane's worker has in hand."""

    def __len__(self) -> int:
        """How many wait, beside the one in hand."""
        return len(self._waiting)

    def __iter__(self) -> Iterator[Job]:
        """The one in hand, then those that wait."""
        if self.current is not None:
            yield self.current
        yield from self._waiting

    @property
    def is_overfull(self) -> bool:
        """Whether more jobs wait in memory than may."""
        return sum(job.in_memory for job in self._waiting) > self._most_in_memory

    def append(self, job: Job) -> None:
        """Puts a job behind all others."""
        self._waiting.append(job)

    def take(self, *, but_spooled: bool = False) -> Job | None:
        """Takes the oldest in hand, if there is one; `but_spooled`: of those that no spool has."""
        if but_spooled:
            self.current = self.take_oldest_in_memory()
        else:
            self.current = self._waiting.popleft() if self._waiting else None
        return self.current

    def put_back(self) -> None:
        """Lays down what is in hand: if it owes something yet, before all others."""
        if self.current is not None and self.current.calls:
            self._waiting.appendleft(self.current)
        self.current = None

    def leave_one_to_spool(self) -> bool:
        """Gives up the memory of the newest job that the spool has, too; False if there is none."""
        for job in reversed(self._waiting):
            if job.cursor is not None and job.in_memory:
                job.leave_to_spool()
                return True
        return False

    def take_oldest_in_memory(self) -> Job | None:
        """Takes the oldest waiting job out that no spool has."""
        return self._remove(lambda job: job.cursor is None)

    def take_lost(self, uuid: UUID) -> Job | None:
        """Takes an interval's job out if it was in the spool only."""
        return self._remove(
            lambda job: job.cursor is not None and job.cursor.uuid == uuid and not job.in_memory
        )

    def count(self) -> tuple[int, int]:
        """Rows that wait or are under way: points, events and checks."""
        calls: list[Call] = [call for job in self for call in job.calls]
        points = sum(call.rows for call in calls if call.account.of_points)
        return points, sum(call.rows for call in calls) - points

    def _remove(self, is_meant: Callable[[Job], bool]) -> Job | None:
        for job in self._waiting:
            if is_meant(job):
                self._waiting.remove(job)
                return job
        return None
