"""Addresses as they are configured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping


class StaticDiscovery:
    """Always the same addresses."""

    def __init__(self, addresses: Mapping[str, str]) -> None:
        self._addresses = dict(addresses)

    def __repr__(self) -> str:
        return f"StaticDiscovery({self._addresses!r})"

    async def addresses(self) -> AsyncIterator[Mapping[str, str]]:
        """What is configured, once; then it waits for ever."""
        yield self._addresses
        await asyncio.Event().wait()
