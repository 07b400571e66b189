"""What was found by a look-up, until its time has passed, and longer if it cannot be renewed."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from veneurpy.discovery._watch import FIRST_RETRY_S, LONGEST_RETRY_S, LookupFailed
from veneurpy.ports import Clock

T = TypeVar("T")


class Kept(Generic[T]):
    """The answer to one question. It stays when asking again fails."""

    def __init__(
        self,
        look_up: Callable[[], Awaitable[tuple[T, float]]],
        *,
        clock: Clock,
        failed: Callable[[LookupFailed], None],
    ) -> None:
        """`look_up` finds the answer and for how long it holds, or raises LookupFailed."""
        self._look_up = look_up
        self._clock = clock
        self._failed = failed
        self._retry_s = FIRST_RETRY_S
        self.value: T | None = None
        """The last answer, None before the first."""
        self.due_s = -math.inf
        """When it is to be looked up again, by the monotonic clock."""

    def __repr__(self) -> str:
        return f"Kept({self.value!r}, due_s={self.due_s})"

    async def renew(self) -> None:
        """Looks up again if it is time; after a failure that is in 1 s, then 2 s, up to 30 s."""
        asked_s = self._clock.monotonic()
        if asked_s < self.due_s:
            return
        try:
            self.value, holds_s = await self._look_up()
        except LookupFailed as exc:
            self._failed(exc)
            self.due_s = self._clock.monotonic() + self._retry_s
            self._retry_s = min(2 * self._retry_s, LONGEST_RETRY_S)
        else:
            self.due_s = asked_s + holds_s
            self._retry_s = FIRST_RETRY_S
