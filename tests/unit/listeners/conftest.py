"""Listeners on both engines."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.engines import needs_native
from tests.unit.listeners.rig import Rig


@pytest.fixture(params=["python", pytest.param("native", marks=needs_native)])
async def transports(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Both engines, since some listeners differ."""
    made = Rig(request.param)
    yield made
    await made.close()
