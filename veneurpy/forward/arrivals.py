"""What Veneurs send: it has no names, belongs to the interval that it comes in, and is encoded."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from veneurpy.engine import FrameBroken, Imported, ImportStore, StoreFull
from veneurpy.forward.stores import ImportEngine
from veneurpy.ports import Clock, ImportRefused
from veneurpy.telemetry import Telemetry, metrics

_T = TypeVar("_T")


class Arrivals:
    """One store for the open interval, which `take` closes: its series get their identity there.

    A Veneur is told that its metrics were taken when they are merged: they die with the process, as
    they would in a Veneur.
    """

    def __init__(self, engine: ImportEngine, *, clock: Clock, telemetry: Telemetry) -> None:
        self._engine = engine
        self._clock = clock
        self._telemetry = telemetry
        self._lock = threading.Lock()
        """Held while the store is worked with: calls of a store must not overlap."""
        self._store: ImportStore | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="arrivals")

    def __repr__(self) -> str:
        return f"Arrivals({self._store!r})"

    async def take_veneur(self, frames: bytes, *, sender: str) -> int:
        """Merges a run of gRPC messages, each a Metric; returns the bytes of the whole ones.

        Raises ImportRefused.
        """

        def work(store: ImportStore) -> tuple[int, Imported]:
            streamed = store.merge_stream(frames, sender=sender, received_ns=self._clock.now_ns())
            return streamed.consumed, streamed.imported

        return await self._merge(work)

    async def take_list(self, payload: bytes, *, sender: str) -> None:
        """Merges a MetricList of a Veneur. Raises ImportRefused."""

        def work(store: ImportStore) -> tuple[None, Imported]:
            now_ns = self._clock.now_ns()
            return None, store.merge(payload, sender=sender, received_ns=now_ns, foreign=True)

        await self._merge(work)

    def take(self) -> list[ImportStore]:
        """What came since the last call, for `Encoder.outgoing`. The caller releases it.

        Off the event loop, right after the interval was rotated.
        """
        with self._lock:
            store, self._store = self._store, None
        return [] if store is None else [store]

    async def close(self) -> None:
        """Forgets what is left. Idempotent."""
        for store in await asyncio.to_thread(self.take):
            store.release()
        self._thread.shutdown(wait=False)

    async def _merge(self, work: Callable[[ImportStore], tuple[_T, Imported]]) -> _T:
        loop = asyncio.get_running_loop()
        try:
            result, imported = await loop.run_in_executor(self._thread, self._locked, work)
        except FrameBroken as exc:
            raise ImportRefused(exc.reason, is_full=False) from exc
        except StoreFull as exc:
            raise ImportRefused("store_full", is_full=True) from exc
        self._telemetry.add(metrics.VENEUR_METRICS, imported.metrics, fate="taken")
        for reason, count in imported.rejected.items():
            self._telemetry.add(metrics.VENEUR_METRICS, count, fate=reason)
        return result

    def _locked(self, work: Callable[[ImportStore], tuple[_T, Imported]]) -> tuple[_T, Imported]:
        with self._lock:
            if self._store is None:
                self._store = self._engine.open_import(self._clock.now_ns() // 1_000_000)
            return work(self._store)
