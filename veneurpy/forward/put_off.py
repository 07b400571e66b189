"""What an owner takes nothing of for now, though it may take all else: that goes on meanwhile."""

from __future__ import annotations

from collections import defaultdict

from veneurpy.forward.answer import OF_ITS_INTERVAL, Answer, Kind
from veneurpy.forward.batch import Batch
from veneurpy.ports import Clock
from veneurpy.spool.parcel import Head


class PutOff:
    """What each owner has put off. Changed on one thread, read on any.

    An interval is, until a time; a length of intervals, and what is of the future, until
    `try_again`.
    """

    def __init__(self, clock: Clock, interval_s: float) -> None:
        """An owner that names no time is taken to mean an interval."""
        self._clock = clock
        self._interval_s = interval_s
        self._until_s: defaultdict[str, dict[int, float]] = defaultdict(dict)
        self._lengths_ms: dict[str, set[int]] = {}
        self._early_ms: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"PutOff({dict(self._until_s)}, {self._lengths_ms}, {self._early_ms})"

    def __contains__(self, batch: Batch | Head) -> bool:
        """Whether it is not to be sent to its owner now."""
        owner, start_ms = batch.owner, batch.start_ms
        return (
            self._clock.monotonic() < self._until_s[owner].get(start_ms, 0.0)
            or start_ms >= self._early_ms.get(owner, start_ms + 1)
            or batch.length_ms in self._lengths_ms.get(owner, ())
        )

    def note(self, batch: Batch, answer: Answer) -> bool:
        """Has what is like a batch wait where the answer says so; whether it is its interval."""
        if answer.kind is Kind.BUSY and answer.reason in OF_ITS_INTERVAL:
            self._put_off_interval(batch, answer.after_s or self._interval_s)
            return True
        if answer.reason == "length":
            self._lengths_ms.setdefault(batch.owner, set()).add(batch.length_ms)
        elif answer.reason == "future":
            self._early_ms[batch.owner] = batch.start_ms
        return False

    def try_again(self) -> None:
        """Lengths and what was of the future may be sent, to see what becomes of them."""
        self._lengths_ms.clear()
        self._early_ms.clear()

    def left_s(self, owner: str) -> float | None:
        """When the first of an owner's intervals comes up again; None if none is put off."""
        now_s = self._clock.monotonic()
        left = [until_s - now_s for until_s in list(self._until_s[owner].values())]
        return min((each for each in left if each > 0), default=None)

    def _put_off_interval(self, batch: Batch, seconds: float) -> None:
        known, now_s = self._until_s[batch.owner], self._clock.monotonic()
        for start_ms in [each for each, until_s in known.items() if until_s <= now_s]:
            del known[start_ms]
        known[batch.start_ms] = now_s + seconds
