"""What outlives a node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.server.lives import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Its sinks answer in the end, whatever they did before."""
    made = World(tmp_path)
    yield made
    for sink in made.sinks.values():
        sink.release()
