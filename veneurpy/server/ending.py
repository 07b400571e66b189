"""How a running node ends: it leaves everything to the next process, or finishes it itself."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

from veneurpy.flush.flusher import Flusher
from veneurpy.flush.lanes import Lane
from veneurpy.flush.ticker import Ticker
from veneurpy.ports import Listener
from veneurpy.server.deadline import Deadline
from veneurpy.server.durable import Durable
from veneurpy.server.stopping import CLOSING_S, Steps
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import HandedOver, StopFailed

if TYPE_CHECKING:
    from veneurpy.server.between import Between


class Ending:
    """Ends a node that takes traffic, all within a deadline. `run` it once."""

    def __init__(
        self,
        deadline: Deadline,
        telemetry: Telemetry,
        *,
        hands_over: bool,
        listeners: Sequence[Listener],
        lanes: Sequence[Lane],
        flusher: Flusher,
        ticker: Ticker,
        durable: Durable | None,
        between: Between | None,
    ) -> None:
        """`hands_over`: that is wanted; it is done where the next process can find everything."""
        self._deadline = deadline
        self._telemetry = telemetry
        self._steps = Steps(telemetry)
        self._hands_over = hands_over
        self._listeners = listeners
        self._lanes = lanes
        self._flusher = flusher
        self._ticker = ticker
        self._durable = durable
        self._between = between

    async def run(self, deliveries: Sequence[asyncio.Task[None]]) -> bool:
        """Ends it once its flushes have; whether arenas are to be left to the next process.

        Waits for `deliveries`, the tasks of the lanes, too.
        """
        if self._between is not None:
            step = self._between.stop_receiving(CLOSING_S)
            await self._steps.attempt("gRPC listener", step, self._deadline)
        leaves_arenas = await (self._leave() if await self._has_successor() else self._finish())
        if deliveries:
            await asyncio.wait(deliveries, timeout=self._deadline.left_s)
        for lane in self._lanes:
            lane.give_up("shutdown")
        return leaves_arenas

    def tell_of_rows(self) -> None:
        """Says what becomes of those that sinks have not taken, once everything is closed."""
        if self._durable is None:
            return
        rows = sum(lane.pending_rows for lane in self._lanes)
        if not self._durable.is_lost:
            self._telemetry.emit(HandedOver(rows))
        elif rows:
            error = f"its files are gone, and {rows} rows that sinks have not taken go with them"
            self._telemetry.emit(StopFailed("state_dir", error))

    async def _has_successor(self) -> bool:
        """Whether to hand over: only where the next process finds what is left to it."""
        if self._durable is None:
            return self._hands_over
        await self._steps.attempt("state_dir", self._durable.look(), self._deadline)
        if self._durable.is_lost and self._between is not None:
            self._between.lose_disk()
        return self._hands_over and self._durable.is_kept

    async def _leave(self) -> bool:
        """Stops reading and delivering: the next process goes on with both."""
        for listener in self._listeners:
            await self._steps.attempt(listener.name, listener.leave(), self._deadline)
        if self._between is not None:
            step = self._between.leave(self._ticker.start_ms)
            await self._steps.attempt("what Veneurs sent", step, self._deadline)
        await self._finish_seal()
        for lane in self._lanes:
            lane.leave()
        return True

    async def _finish(self) -> bool:
        """Reads what the kernel had queued, flushes it, has it delivered.

        Where the flush fails, the next process may find in the arenas what was aggregated.
        """
        await asyncio.gather(
            *(self._steps.stop_listener(each, self._deadline) for each in self._listeners)
        )
        last = self._flusher.flush(self._ticker.cut())
        is_flushed = await self._steps.attempt("the last flush", last, self._deadline)
        if self._between is not None:
            await self._between.drain(self._left_before_closing_s)
        await self._finish_seal()
        for lane in self._lanes:
            lane.close()
        return not is_flushed

    async def _finish_seal(self) -> None:
        """Has an interval published that others forwarded, if that has begun."""
        if self._between is not None:
            await self._between.finish(self._left_before_closing_s)

    @property
    def _left_before_closing_s(self) -> float:
        return max(0.0, self._deadline.left_s - CLOSING_S)
