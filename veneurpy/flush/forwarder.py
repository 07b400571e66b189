"""What a flush has for other nodes: batches, which are committed together with its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from veneurpy.engine import Interval, Plan
from veneurpy.forward.arrivals import Arrivals
from veneurpy.forward.encode import Encoder, Outgoing
from veneurpy.forward.membership import Membership
from veneurpy.forward.sender import Sender
from veneurpy.spool import Spool
from veneurpy.spool.database import Database


class Forwarder:
    """The flush's side of forwarding. Off the event loop, but for `encoded`."""

    def __init__(
        self,
        encoder: Encoder,
        *,
        sender: Sender,
        membership: Membership,
        spool: Spool,
        arrivals: Arrivals | None,
        veneurs: Callable[[], frozenset[str]],
    ) -> None:
        """`arrivals`: what Veneurs send to this node. `veneurs`: members that are some."""
        self._encoder = encoder
        self._sender = sender
        self._membership = membership
        self._spool = spool
        self._arrivals = arrivals
        self._veneurs = veneurs

    def __repr__(self) -> str:
        return f"Forwarder({self._encoder!r})"

    def plan(self, plan: Plan, interval: Interval) -> Plan:
        """By which this node makes its own rows of an interval."""
        start_ms = interval.start_ms - interval.start_ms % self._encoder.interval_ms
        epoch = self._membership.table.at(start_ms)
        return replace(plan, role=self._encoder.role(epoch))

    def outgoing(self, interval: Interval) -> Outgoing:
        """What is to be sent of an interval, and of what Veneurs sent in its time."""
        sources = [] if self._arrivals is None else self._arrivals.take()
        try:
            return replace(self._encoder, veneur_owners=self._veneurs()).outgoing(
                interval,
                table=self._membership.table,
                carry=self._sender.carry,
                sources=sources,
            )
        finally:
            for source in sources:
                source.release()

    def leave(self, start_ms: int) -> None:
        """Keeps what Veneurs have sent since the interval began, apart from the interval.

        Raises sqlite3.Error.
        """
        start_ms -= start_ms % self._encoder.interval_ms
        sources = [] if self._arrivals is None else self._arrivals.take()
        try:
            batches = self._encoder.of_sources(
                sources, table=self._membership.table, start_ms=start_ms
            )
            if batches:
                self.keep(Outgoing(batches, self._sender.carry))
        finally:
            for source in sources:
                source.release()

    def booking(self, outgoing: Outgoing) -> Callable[[], None]:
        """What is to be called when it is committed."""
        return self._sender.booking(outgoing.batches)

    def keep(self, outgoing: Outgoing) -> None:
        """Keeps it without any rows: in a node whose rows are delivered from memory."""

        def work(database: Database) -> None:
            with database.transaction() as db:
                outgoing.keep(db)

        self._spool.run(work)
        self.booking(outgoing)()

    def encoded(self, outgoing: Outgoing, *, is_kept: bool) -> None:
        """Has it sent; what is not kept, once it is. On the event loop."""
        self._sender.encoded(outgoing.batches, outgoing.carry, is_kept=is_kept)
