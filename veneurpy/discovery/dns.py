"""Addresses by DNS: each member's A or AAAA record, or the SRV records of a service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.resolver

from veneurpy.discovery._watch import Found, LookupFailed, joined, watch
from veneurpy.ports import Clock
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import DiscoveryFailed

SHORTEST_S = 1.0
"""A TTL of 0 is not asked again sooner."""
LONGEST_S = 300.0
TIMEOUT_S = 5.0


class DnsDiscovery:
    """Looks up again when the shortest TTL of the answers has passed.

    `hosts` maps each member's name to `host:port`, the host being looked up as A, or AAAA where
    there is none. `service` is a name with SRV records instead: each target is a member, named by
    the target's first label, at the port of its record.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        telemetry: Telemetry,
        hosts: Mapping[str, str] | None = None,
        service: str = "",
        resolver: dns.asyncresolver.Resolver | None = None,
    ) -> None:
        self._clock = clock
        self._telemetry = telemetry
        self._hosts = dict(hosts or {})
        self._service = service
        self._resolver = resolver
        self._known: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"DnsDiscovery({self._service or self._hosts!r})"

    def addresses(self) -> AsyncIterator[Mapping[str, str]]:
        """Name to `ip:port`."""
        return watch("dns", self._look_up, clock=self._clock, telemetry=self._telemetry)

    async def _look_up(self) -> Found:
        return await (self._by_service() if self._service else self._by_host())

    async def _by_host(self) -> Found:
        """A host that is not found keeps the address it had, and is asked for again soon."""
        ttl_s = LONGEST_S
        for name, host_port in self._hosts.items():
            host, _, port = host_port.rpartition(":")
            try:
                address, host_ttl_s = await self._address(host)
            except LookupFailed as exc:
                self._telemetry.emit(DiscoveryFailed("dns", exc.reason, str(exc)))
                ttl_s = min(ttl_s, TIMEOUT_S)
                continue
            self._known[name] = joined(address, port)
            ttl_s = min(ttl_s, host_ttl_s)
        return Found(dict(self._known), max(SHORTEST_S, ttl_s))

    async def _by_service(self) -> Found:
        records = await self._ask(self._service, "SRV")
        found, ttl_s = dict[str, str](), min(LONGEST_S, records.rrset.ttl)
        for record in records:
            target = record.target.to_text(omit_final_dot=True)
            address, host_ttl_s = await self._address(target)
            found[target.partition(".")[0]] = joined(address, record.port)
            ttl_s = min(ttl_s, host_ttl_s)
        return Found(found, max(SHORTEST_S, ttl_s))

    async def _address(self, host: str) -> tuple[str, float]:
        """The lowest address, so that an answer's changing order changes nothing, and its TTL."""
        records = await self._ask(host, "A", is_needed=False) or await self._ask(host, "AAAA")
        return min(record.address for record in records), float(records.rrset.ttl)

    async def _ask(self, name: str, kind: str, *, is_needed: bool = True) -> Any:
        """The records; None for an empty answer that is not needed."""
        try:
            if self._resolver is None:
                self._resolver = dns.asyncresolver.Resolver()
            return await self._resolver.resolve(name, kind, lifetime=TIMEOUT_S)
        except dns.resolver.NoAnswer as exc:
            if not is_needed:
                return None
            raise LookupFailed("empty", str(exc)) from exc
        except dns.resolver.NXDOMAIN as exc:
            raise LookupFailed("no_name", str(exc)) from exc
        except dns.exception.Timeout as exc:
            raise LookupFailed("timeout", str(exc)) from exc
        except (dns.exception.DNSException, OSError) as exc:
            raise LookupFailed("failed", str(exc) or type(exc).__name__) from exc
