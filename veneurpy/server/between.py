"""What a node has to do with other nodes: it forwards, owns, passes on, or several of these."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from veneurpy.config import Config
from veneurpy.config.ring import Ring
from veneurpy.engine import Engine
from veneurpy.flush.forwarder import Forwarder
from veneurpy.flush.keeper import Keeper
from veneurpy.flush.lanes import Lane
from veneurpy.flush.sealed import SealedRows
from veneurpy.forward.arrivals import Arrivals
from veneurpy.forward.epochs import ANYBODY
from veneurpy.forward.local import LocalPeer
from veneurpy.forward.membership import Membership
from veneurpy.forward.owner import Owner
from veneurpy.forward.ring_admin import RingAdmin
from veneurpy.forward.target import NodeTarget, Relay
from veneurpy.ledger import Ledger
from veneurpy.ports import Clock
from veneurpy.server.addresses import Addresses
from veneurpy.server.assembly import name_of
from veneurpy.server.chaining import new_onward
from veneurpy.server.durable import Durable
from veneurpy.server.forwarding import new_encoder, new_sender, spool_in_memory, table_of
from veneurpy.server.leftover import tell_of_the_rest
from veneurpy.server.owning import new_owner
from veneurpy.server.peers import Peers, client_tls
from veneurpy.server.receiving import Receiving
from veneurpy.spool.outbox import CHAIN
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import CertificatesUnusable, SpoolFailed

Job = tuple[str, Coroutine[Any, Any, None]]


class Between:
    """Everything between nodes. `start` it before the recovery, `listen` after it, `close` last."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        telemetry: Telemetry,
        durable: Durable | None,
    ) -> None:
        """Without `durable` what waits is in memory only. Raises VeneurpyError."""
        self._config = config
        self._clock = clock
        self._telemetry = telemetry
        self._is_durable = durable is not None
        self._spool = (
            spool_in_memory(config, self._spool_failed) if durable is None else durable.spool
        )
        self._loop: asyncio.AbstractEventLoop | None = None
        self.name = name_of(config)
        self._membership = Membership(table_of(config, self.name))
        self._addresses = Addresses(
            config.forward or Ring(),
            clock=clock,
            telemetry=telemetry,
            key="forward",
            everybody=config.forward_address,
        )
        tls = client_tls(config, self._failing("forwarding"))
        self._peers = Peers(config, self._addresses.locate, tls=tls, kind=config.forward_peer)
        self._encoder = new_encoder(config, self.name, config.forward)
        self._sender = new_sender(
            config,
            self._encoder,
            spool=self._spool,
            clock=clock,
            membership=self._membership,
            peers=self._peers,
            telemetry=telemetry,
        )
        self._chain = new_onward(
            config, self.name, spool=self._spool, clock=clock, telemetry=telemetry, tls=tls
        )
        self._owner: Owner | None = None
        self._arrivals: Arrivals | None = None
        self._receiving: Receiving | None = None
        self._forwarder: Forwarder | None = None
        self.admin: RingAdmin | None = None
        """For the pages of the ring; None before the start, and on a node that only forwards."""

    def __repr__(self) -> str:
        return f"Between({self.name!r}, {self.roles})"

    @property
    def roles(self) -> list[str]:
        """What this node is to others: host, owner, proxy."""
        config = self._config
        is_proxy = config.grpc_address is not None and not config.owns
        words = {"owner": config.owns, "proxy": is_proxy, "host": config.forwards}
        return [word for word, is_so in words.items() if is_so]

    async def start(
        self,
        engine: Engine,
        *,
        lanes: Sequence[Lane],
        keeper: Keeper | None,
        ledger: Ledger,
        is_healthy: Callable[[], bool],
    ) -> Forwarder:
        """Takes over what the process before left, and sends nothing yet."""
        self._loop = asyncio.get_running_loop()
        if not self._is_durable:
            await self._spool.open()
        await self._sender.start()
        ledger.elsewhere["forward"] = self._sender.accounts
        next_tier = None
        if self._chain is None:
            await tell_of_the_rest(self._spool, self._telemetry, CHAIN)
        else:
            next_tier = await self._chain.start()
            ledger.elsewhere["chain"] = self._chain.accounts
        if self._config.owns:
            rows = SealedRows(
                keeper, lanes, ledger=ledger, telemetry=self._telemetry, loop=self._loop
            )
            self._owner = new_owner(
                self._config,
                self.name,
                engine=engine,
                spool=self._spool,
                clock=self._clock,
                membership=self._membership,
                publisher=rows,
                telemetry=self._telemetry,
                next_tier=next_tier,
            )
            await self._owner.start()
            ledger.elsewhere["owner"] = self._owner.accounts
            self._peers.own = LocalPeer(self._owner)
        if self._config.grpc_address is not None:
            self._receive(engine, is_healthy)
        self._forwarder = Forwarder(
            self._encoder,
            sender=self._sender,
            membership=self._membership,
            spool=self._spool,
            arrivals=self._arrivals,
            veneurs=self._peers.veneurs,
        )
        return self._forwarder

    async def listen(self) -> None:
        """Takes what other nodes send. Raises ListenError."""
        if self._receiving is not None:
            await self._receiving.start()

    def jobs(self) -> list[Job]:
        """What is to run as tasks, by name."""
        jobs: list[Job] = [("forward", self._sender.run())]
        if self._config.forwards:
            jobs.append(("discovery", self._addresses.follow()))
        if self._owner is not None:
            jobs.append(("owner", self._owner.run()))
        if self._chain is not None:
            jobs += self._chain.jobs()
        return jobs

    async def stop_receiving(self, timeout_s: float) -> None:
        """Takes nothing more from others: whoever has something keeps it. Idempotent."""
        if self._receiving is not None:
            await self._receiving.stop(timeout_s)

    async def leave(self, start_ms: int) -> None:
        """Keeps what Veneurs have sent since the interval began at `start_ms`, on disk.

        It is in no arena that the next process could take up. Raises sqlite3.Error.
        """
        if self._forwarder is not None:
            await asyncio.to_thread(self._forwarder.leave, start_ms)

    def lose_disk(self) -> None:
        """The next process will not find what waits here: it ends with this one."""
        self._is_durable = False

    async def drain(self, timeout_s: float) -> None:
        """Waits until what ends with this process has gone out, while the jobs go on."""
        if not self._is_durable:
            await self._sender.drain(timeout_s)

    async def finish(self, timeout_s: float) -> None:
        """Waits for the interval that is being published, and has no other begun."""
        if self._owner is not None:
            await self._owner.finish(timeout_s)

    async def close(self) -> None:
        """After the jobs have ended. Names what ends with this process. Idempotent."""
        if self._loop is None:
            return
        self._loop = None
        await self.stop_receiving(0)
        await self._sender.close(is_durable=self._is_durable)
        if self._chain is not None:
            await self._chain.close()
        if self._owner is not None:
            await self._owner.close()
        if self._arrivals is not None:
            await self._arrivals.close()
        await self._peers.close()
        if not self._is_durable:
            await self._spool.close()

    def status(self) -> dict[str, Any]:
        """Plain data for the status page."""
        table = self._membership.table
        epoch = table.at(self._clock.now_ns() // 1_000_000)
        forward = {
            "epoch": epoch.number,
            "hash": epoch.hash,
            "members": list(epoch.members),
            "owners": self._sender.status(),
            "accounts": self._sender.accounts.as_dict(),
        }
        owner = self._owner
        return {
            "node": self.name,
            "roles": self.roles,
            "grpc": None if self._receiving is None else self._receiving.status(),
            "forward": forward,
            "chain": None if self._chain is None else self._chain.status(),
            "owner": None
            if owner is None
            else owner.status() | {"accounts": owner.accounts.as_dict()},
        }

    def _receive(self, engine: Engine, is_healthy: Callable[[], bool]) -> None:
        self._arrivals = Arrivals(engine, clock=self._clock, telemetry=self._telemetry)
        target = NodeTarget(
            self.name,
            owner=self._owner,
            relay=Relay(self._peers),
            arrivals=self._arrivals,
            membership=self._membership,
            spool=self._spool,
        )
        self._receiving = Receiving(
            self._config,
            target,
            telemetry=self._telemetry,
            is_healthy=is_healthy,
            failed=self._failing("grpc_tls"),
            members=self._members,
        )
        self.admin = RingAdmin(
            self.name,
            own=target,
            member=self._peers.member,
            clock=self._clock,
            interval_ms=self._encoder.interval_ms,
        )

    def _members(self) -> set[str]:
        """Of every ring that this node knows, those that were applied since its start included."""
        epochs = self._membership.table.epochs
        return {name for each in epochs if each.number != ANYBODY for name in each.members}

    def _failing(self, what: str) -> Callable[[str], None]:
        """What is told, on any thread, of certificates that cannot be used."""

        def failed(error: str) -> None:
            if self._loop is not None:
                event = CertificatesUnusable(what, error)
                self._loop.call_soon_threadsafe(self._telemetry.emit, event)

        return failed

    def _spool_failed(self, what: str, error: str) -> None:
        """Called on any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._telemetry.emit, SpoolFailed(what, error))
