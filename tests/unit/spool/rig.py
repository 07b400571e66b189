"""A spool in a directory, as the tests of it use one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self, TypeVar
from uuid import UUID

from veneurpy.spool import Committed, LateRow, Owed, Part, Record, Spare, Spool
from veneurpy.testing import START_MS, batch

ONE, TWO, THREE = UUID(int=1), UUID(int=2), UUID(int=3)
MOST_BYTES = 1 << 20

AnyRig = TypeVar("AnyRig", bound="Rig")


class Rig:
    """A spool, and what it has complained of."""

    def __init__(
        self,
        folder: Path,
        *,
        state: Path | None = None,
        most_bytes: int = MOST_BYTES,
        spare: Spare | None = None,
    ) -> None:
        self.folder = folder
        self.failures: list[tuple[str, str]] = []
        self.spool = Spool(
            state or folder,
            most_bytes=most_bytes,
            oldest_s=3600.0,
            failed=lambda what, error: self.failures.append((what, error)),
            spare=spare,
        )

    async def commit(
        self,
        uuid: UUID,
        *,
        start_ms: int = START_MS,
        late_ms: int | None = None,
        calls: Sequence[Owed] | None = None,
        **more: Any,
    ) -> Committed:
        """An interval of two points, whose first value and late row tell which it is.

        The late row is of its start, or of another time.
        """
        columns = batch(("a", float(uuid.int)), ("b", 2.0)).columns
        record = Record(uuid, start_ms, "web1", columns, [Part(None, 10.0, 0)])
        owed = [Owed(uuid, start_ms, "file", "localfile", 0, 2)] if calls is None else calls
        late = [LateRow(start_ms if late_ms is None else late_ms, b"key", uuid.int, 2.5, 10.0)]
        end_ms = start_ms + 10_000
        return await asyncio.to_thread(
            lambda: self.spool.commit(record, owed, end_ms=end_ms, now_ms=end_ms, late=late, **more)
        )

    async def reopened(self) -> Self:
        """As the next process finds it."""
        await self.spool.close()
        again = type(self)(self.folder)
        await again.spool.open()
        return again


@asynccontextmanager
async def opened(rig: AnyRig) -> AsyncIterator[AnyRig]:
    """Open until the end."""
    await rig.spool.open()
    yield rig
    await rig.spool.close()
