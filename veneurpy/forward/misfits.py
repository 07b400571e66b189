"""Batches that an owner cannot take yet, for a reason that says nothing about most others."""

from __future__ import annotations

from collections import defaultdict

from veneurpy.forward.answer import ABOUT_ITSELF, Answer
from veneurpy.forward.batch import Batch
from veneurpy.spool.parcel import Head


class Misfits:
    """What owners have said so far; `clear` it for them to be asked again."""

    def __init__(self) -> None:
        self._lengths: defaultdict[str, set[int]] = defaultdict(set)
        self._early_ms: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"Misfits(lengths={dict(self._lengths)}, early_ms={self._early_ms})"

    def note(self, batch: Batch, answer: Answer) -> None:
        """One was refused for its interval's length, or comes from the future."""
        if answer.reason not in ABOUT_ITSELF:
            return
        if answer.reason == "length":
            self._lengths[batch.owner].add(batch.length_ms)
        else:
            self._early_ms[batch.owner] = batch.start_ms

    def has(self, head: Head) -> bool:
        """Whether one is as those were."""
        is_early = head.start_ms >= self._early_ms.get(head.owner, head.start_ms + 1)
        return is_early or head.length_ms in self._lengths[head.owner]

    def clear(self) -> None:
        """Everything may be sent."""
        self._lengths.clear()
        self._early_ms.clear()
