"""Questions to name servers: those of the system, or others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.nameserver
import dns.resolver

from veneurpy.discovery._watch import LookupFailed

SYSTEM_FILE = "/etc/resolv.conf"
PATIENCE_S = 5.0
"""For all servers together, unless there are many."""
PATIENCE_EACH_S = 2.0
"""After this the next server is asked; the first one again after the last."""
UDP_BYTES = 1232
"""Answers by UDP may be so long: it passes every network in one piece (www.dnsflagday.net/2020)."""


@dataclass(frozen=True, slots=True)
class Records:
    """The answer to one question: dnspython's records, none if the name has none of the kind."""

    data: Sequence[Any]
    ttl_s: float
    """The shortest of the records and of the aliases that led to them."""


class Resolver:
    """Asks one server after the other until one answers; by TCP where an answer was cut short."""

    def __init__(self, nameservers: Sequence[tuple[str, int]] = ()) -> None:
        """`nameservers` are addresses and ports; none: those of /etc/resolv.conf."""
        self._nameservers = tuple(nameservers)

    def __repr__(self) -> str:
        return f"Resolver({self._nameservers or SYSTEM_FILE!r})"

    async def ask(self, name: str, kind: str) -> Records:
        """The records of a name. Raises LookupFailed."""
        try:
            resolver = self._new()
            answer = await resolver.resolve(
                name,
                kind,
                raise_on_no_answer=False,
                lifetime=max(PATIENCE_S, (len(resolver.nameservers) + 0.5) * resolver.timeout),
                search=not self._nameservers,
            )
        except dns.resolver.NXDOMAIN as exc:
            raise LookupFailed("no_name", str(exc)) from exc
        except dns.exception.Timeout as exc:
            raise LookupFailed("timeout", str(exc)) from exc
        except (dns.exception.DNSException, OSError, ValueError) as exc:
            raise LookupFailed("failed", str(exc) or type(exc).__name__) from exc
        return Records(tuple(answer), float(answer.chaining_result.minimum_ttl))

    def _new(self) -> dns.asyncresolver.Resolver:
        """Made for each question: the system's file may have changed."""
        resolver = dns.asyncresolver.Resolver(SYSTEM_FILE, configure=not self._nameservers)
        if self._nameservers:
            resolver.nameservers = [
                dns.nameserver.Do53Nameserver(address, port) for address, port in self._nameservers
            ]
        resolver.timeout = min(resolver.timeout, PATIENCE_EACH_S)
        resolver.use_edns(payload=UDP_BYTES)
        return resolver
