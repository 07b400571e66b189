"""A lane for each test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.unit.flush.lane_rig import Rig


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """A lane whose accounts are checked at the end."""
    made = Rig()
    yield made
    made.check()
    if made.task is not None:
        made.task.cancel()
        await asyncio.wait({made.task})
