"""What each client sent, in one store."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from veneurpy.engine.reference_store import SeriesKey, Store
from veneurpy.engine.types import Accounts

MOST_CLIENTS = 896
"""Those that come later share one account, which has no budget."""
_LONGEST_NAME = 46


class Look(NamedTuple):
    """What the accounts say that a client is credited with."""

    datagrams: int
    samples: int
    folded: int
    rejected: int

    @classmethod
    def at(cls, accounts: Accounts) -> Look:
        """What they say now."""
        rejected = sum(accounts.rejected.values()) + sum(accounts.values_rejected.values())
        return cls(accounts.datagrams, accounts.values, accounts.folded, rejected)


@dataclass(slots=True)
class ClientCount:
    """The accounts of one client in one interval of one reader."""

    is_shared: bool = False
    datagrams: int = 0
    samples: int = 0
    folded: int = 0
    rejected: int = 0
    stand_ins: int = 0
    """Folded and reduced series that it began beyond its bound."""
    over: int = 0
    made: list[tuple[SeriesKey, bytes]] = field(default_factory=list)
    """Each series that it was the first to send, and how it spelled the tags."""

    def is_over(self, most: int) -> bool:
        """Whether another series is one too many."""
        return most > 0 and len(self.made) >= most and not self.is_shared

    def settle(self, before: Look, now: Look) -> None:
        """Credits the client with what happened between two looks at the accounts."""
        self.datagrams += now.datagrams - before.datagrams
        self.samples += now.samples - before.samples
        self.folded += now.folded - before.folded
        self.rejected += now.rejected - before.rejected


def client_of(store: Store, client: str) -> ClientCount:
    """The account of a client, a new one if need be."""
    name = client.encode()[:_LONGEST_NAME].decode(errors="replace")
    if name not in store.clients and len(store.clients) >= MOST_CLIENTS:
        name = ""
    if name not in store.clients:
        store.clients[name] = ClientCount(is_shared=not name)
    return store.clients[name]
