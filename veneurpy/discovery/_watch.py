"""What discoveries do alike: ask, tell what changed, keep what is known when asking fails."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from veneurpy.ports import Clock
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import DiscoveryFailed

if TYPE_CHECKING:
    import aiohttp

FIRST_RETRY_S = 1.0
LONGEST_RETRY_S = 30.0
MOST_BYTES = 16 << 20


class LookupFailed(Exception):
    """An answer that cannot be used. `reason` is a fixed word."""

    def __init__(self, reason: str, error: str) -> None:
        super().__init__(error)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Found:
    """What one look-up found, and how long to wait before the next."""

    addresses: Mapping[str, str]
    again_s: float


async def watch(
    kind: str, look_up: Callable[[], Awaitable[Found]], *, clock: Clock, telemetry: Telemetry
) -> AsyncIterator[Mapping[str, str]]:
    """Looks up for ever and yields the addresses whenever they have changed.

    A look-up that fails or finds nobody is counted, and tried again after 1 s, 2 s, up to 30 s.
    """
    known: Mapping[str, str] | None = None
    retry_s = FIRST_RETRY_S
    while True:
        try:
            found = await look_up()
            if not found.addresses:
                raise LookupFailed("empty", "nobody was found")
        except LookupFailed as exc:
            telemetry.emit(DiscoveryFailed(kind, exc.reason, str(exc)))
            await clock.sleep(retry_s)
            retry_s = min(2 * retry_s, LONGEST_RETRY_S)
            continue
        retry_s = FIRST_RETRY_S
        if found.addresses != known:
            known = found.addresses
            yield known
        if found.again_s > 0:
            await clock.sleep(found.again_s)


async def body(answer: aiohttp.ClientResponse) -> bytes:
    """The whole of an answer. Raises ValueError for one that is too long."""
    data = bytearray()
    async for chunk in answer.content.iter_any():
        data += chunk
        if len(data) > MOST_BYTES:
            raise ValueError("an answer that is too long")
    return bytes(data)


def joined(host: str, port: object) -> str:
    """`host:port`, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
