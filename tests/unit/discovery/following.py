"""What tests of discoveries give them, and how they read the answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from tests.recording import Recorder
from tests.waiting import until
from veneurpy.ports import Discovery
from veneurpy.telemetry import Telemetry
from veneurpy.testing import FakeClock

WAIT_S = 20.0


class Rig:
    """What every discovery is given."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.log = Recorder()
        self.telemetry = Telemetry(self.log, self.clock)

    def failures(self) -> list[str]:
        """The reasons of the failures so far."""
        return [fields["reason"] for fields in self.log.of("discovery_failed")]

    async def until(self, reason: str) -> None:
        """Lets it run until such a failure was logged."""
        await until(lambda: reason in self.failures())


class Following:
    """The answers of a discovery, one by one."""

    def __init__(self, discovery: Discovery) -> None:
        self._answers = discovery.addresses()

    async def next(self) -> Mapping[str, str]:
        """The next answer."""
        async with asyncio.timeout(WAIT_S):
            return await anext(self._answers)

    def begin(self) -> asyncio.Task[Mapping[str, str]]:
        """The next answer, when it comes."""
        return asyncio.create_task(self.next())

    async def close(self) -> None:
        """Ends it."""
        if close := getattr(self._answers, "aclose", None):
            await close()
