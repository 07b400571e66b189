"""The way of what an owner has sealed to the next tier: who is there, what waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from veneurpy.accounts import HostAccounts
from veneurpy.config import Config
from veneurpy.config.ring import Ring
from veneurpy.forward.chain import Chain
from veneurpy.forward.membership import Membership
from veneurpy.ports import Clock
from veneurpy.rpc.tls import ClientTls
from veneurpy.server.addresses import Addresses
from veneurpy.server.forwarding import new_encoder, new_sender, table_of_ring
from veneurpy.server.peers import Peers
from veneurpy.spool import Spool
from veneurpy.spool.outbox import CHAIN
from veneurpy.spool.parcel import Head
from veneurpy.telemetry import Telemetry


class Onward:
    """A second sender beside a node's own, with members of its own. `start` it before the owner."""

    def __init__(
        self,
        config: Config,
        ring: Ring,
        name: str,
        *,
        spool: Spool,
        clock: Clock,
        telemetry: Telemetry,
        tls: ClientTls | None,
    ) -> None:
        """`ring` is the next tier's. Raises VeneurpyError where a discovery cannot work here."""
        self._clock = clock
        self._membership = Membership(table_of_ring(ring), CHAIN)
        self._addresses = Addresses(ring, clock=clock, telemetry=telemetry, key="chain")
        # A Veneur has no identities: what it took could not be known.
        self._peers = Peers(config, self._addresses.locate, tls=tls, kind="veneurpy")
        self._encoder = new_encoder(config, name, ring)
        self._sender = new_sender(
            config,
            self._encoder,
            spool=spool,
            clock=clock,
            membership=self._membership,
            peers=self._peers,
            telemetry=telemetry,
            outbox=CHAIN,
        )

    def __repr__(self) -> str:
        return f"Onward({self._membership!r})"

    @property
    def accounts(self) -> HostAccounts:
        return self._sender.accounts

    async def start(self) -> Chain:
        """Takes over what the process before left; returns what the owner seals for.

        Raises sqlite3.Error.
        """
        await self._sender.start()
        loop, sender = asyncio.get_running_loop(), self._sender

        def send(batches: Sequence[Head]) -> None:
            loop.call_soon_threadsafe(lambda: sender.kept(batches))

        return Chain(
            self._encoder,
            membership=self._membership,
            book=lambda batches: sender.booking(batches)(),
            offer=send,
        )

    def jobs(self) -> list[tuple[str, Coroutine[Any, Any, None]]]:
        """What is to run as tasks, by name."""
        return [
            ("chain", self._sender.run()),
            ("discovery of the chain", self._addresses.follow()),
        ]

    async def close(self) -> None:
        """After the jobs have ended: what waits is on disk. Idempotent."""
        await self._sender.close(is_durable=True)
        await self._peers.close()

    def status(self) -> dict[str, Any]:
        """Plain data for the status page."""
        epoch = self._membership.table.at(self._clock.now_ns() // 1_000_000)
        return {
            "epoch": epoch.number,
            "hash": epoch.hash,
            "members": list(epoch.members),
            "owners": self._sender.status(),
            "accounts": self._sender.accounts.as_dict(),
            "short_windows": [
                {"owner": each.owner, "key": each.key, "needed_s": each.needed_s}
                for each in self._sender.short_windows
            ],
        }


def new_onward(
    config: Config,
    name: str,
    *,
    spool: Spool,
    clock: Clock,
    telemetry: Telemetry,
    tls: ClientTls | None,
) -> Onward | None:
    """The way to the next tier, where one is configured. Raises VeneurpyError as Onward does."""
    if config.chain is None:
        return None
    return Onward(
        config, config.chain, name, spool=spool, clock=clock, telemetry=telemetry, tls=tls
    )
