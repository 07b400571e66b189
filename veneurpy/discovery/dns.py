"""Addresses by DNS: each member's A or AAAA record, or the SRV records of a service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from ipaddress import ip_address
from typing import Any, NamedTuple

from veneurpy.discovery._kept import Kept
from veneurpy.discovery._resolver import Resolver
from veneurpy.discovery._watch import LookupFailed, joined
from veneurpy.ports import Clock
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import DiscoveryFailed

SHORTEST_S = 1.0
"""A TTL of 0 is not asked again sooner."""
LONGEST_S = 300.0
FORGOTTEN_S = 3600.0
"""A member that the service has no more keeps its address for so long, for answers may lack some:
Consul leaves out at random what does not fit into a datagram."""
MOST_AT_ONCE = 16
"""Hosts that are asked for at the same time."""


class Place(NamedTuple):
    """Where a member is, before its host is looked up."""

    host: str
    port: str


class DnsDiscovery:
    """Looks each name up again when the TTL of its answer has passed.

    `hosts` maps each member's name to `host:port`, the host being looked up as A, or AAAA where
    there is none. `service` is a name with SRV records instead: each target is a member, named by
    the target's first label in lower case, at the port of its record.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        telemetry: Telemetry,
        hosts: Mapping[str, str] | None = None,
        service: str = "",
        nameservers: Sequence[tuple[str, int]] = (),
    ) -> None:
        """`nameservers` are addresses and ports; none: those of /etc/resolv.conf."""
        self._clock = clock
        self._telemetry = telemetry
        self._resolver = Resolver(nameservers)
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._service = service
        self._places = Kept(self._look_up_places, clock=clock, failed=self._failed)
        if not service:
            self._places.value = {name: _place(text) for name, text in (hosts or {}).items()}
        self._hosts: dict[str, Kept[str]] = {}
        self._known: dict[str, str] = {}
        self._seen_s: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"DnsDiscovery({self._service or self._places.value!r}, known={self._known!r})"

    async def addresses(self) -> AsyncIterator[Mapping[str, str]]:
        """Name to `ip:port`, whenever that has changed."""
        told: Mapping[str, str] = {}
        while True:
            again_s = await self._look_up()
            if self._known != told:
                told = dict(self._known)
                yield told
            await self._clock.sleep(again_s)

    async def _look_up(self) -> float:
        """Renews what is due, and returns in how many seconds something will be."""
        if self._service:
            await self._places.renew()
        places = self._places.value or {}
        self._hosts = {host: self._kept(host) for host, _ in places.values()}
        await asyncio.gather(*(host.renew() for host in self._hosts.values()))
        self._take_over(places)
        due_s = [host.due_s for host in self._hosts.values()]
        if self._service:
            due_s.append(self._places.due_s)
        now_s = self._clock.monotonic()
        return max(SHORTEST_S, min(due_s, default=now_s + LONGEST_S) - now_s)

    def _take_over(self, places: Mapping[str, Place]) -> None:
        """A member that is not found, or not among the places any more, keeps its address."""
        now_s = self._clock.monotonic()
        for name, (host, port) in places.items():
            self._seen_s[name] = now_s
            if address := self._hosts[host].value:
                self._known[name] = joined(address, port)
        for name in [name for name, at_s in self._seen_s.items() if now_s - at_s > FORGOTTEN_S]:
            del self._seen_s[name]
            self._known.pop(name, None)

    def _kept(self, host: str) -> Kept[str]:
        look_up = partial(self._look_up_host, host)
        return self._hosts.get(host) or Kept(look_up, clock=self._clock, failed=self._failed)

    async def _look_up_places(self) -> tuple[Mapping[str, Place], float]:
        """Of several records with one name the first by priority and weight, however they come."""
        records = await self._resolver.ask(self._service, "SRV")
        places = dict[str, Place]()
        for record in sorted(records.data, key=_rank):
            if len(record.target) > 1:  # the root alone says that there is no such service
                name = record.target.labels[0].decode(errors="replace").lower()
                place = Place(record.target.to_text().lower(), str(record.port))
                if places.setdefault(name, place).host != place.host:
                    said = f"{name} is {places[name].host} and {place.host}"
                    self._failed(LookupFailed("ambiguous", said))
        if not places:
            raise LookupFailed("empty", f"{self._service} has no SRV records")
        return places, min(records.ttl_s, LONGEST_S)

    async def _look_up_host(self, host: str) -> tuple[str, float]:
        """The lowest address, so that an answer's changing order changes nothing."""
        if _is_address(host):
            return host, LONGEST_S
        async with self._slots:
            for kind in ("A", "AAAA"):
                if (records := await self._resolver.ask(host, kind)).data:
                    address = min(record.address for record in records.data)
                    return address, min(records.ttl_s, LONGEST_S)
        raise LookupFailed("empty", f"{host} has neither A nor AAAA records")

    def _failed(self, exc: LookupFailed) -> None:
        self._telemetry.emit(DiscoveryFailed("dns", exc.reason, str(exc)))


def _rank(record: Any) -> tuple[int, int, int, str]:
    return record.priority, -record.weight, record.port, record.target.to_text().lower()


def _place(text: str) -> Place:
    host, _, port = text.rpartition(":")
    return Place(host.removeprefix("[").removesuffix("]"), port)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
