"""Where the members of the ring are, as the configuration has them found."""

from __future__ import annotations

from veneurpy.config.ring import Ring
from veneurpy.discovery.consul import ConsulDiscovery, ConsulOptions
from veneurpy.discovery.directory import Directory
from veneurpy.discovery.dns import DnsDiscovery
from veneurpy.discovery.kubernetes import KubernetesDiscovery, KubernetesOptions
from veneurpy.errors import VeneurpyError
from veneurpy.ports import Clock, Discovery
from veneurpy.telemetry import Telemetry


class Addresses:
    """`locate` a member by name; run `follow` as a task."""

    def __init__(
        self, ring: Ring, *, clock: Clock, telemetry: Telemetry, key: str, everybody: str = ""
    ) -> None:
        """`everybody`: the one address for all. `key`: where it is configured.

        Raises VeneurpyError where a discovery cannot work here.
        """
        self._everybody = everybody
        known = ring.addresses | ring.members
        self._configured = {name: address for name, address in known.items() if address}
        discovery = discovery_of(ring, clock, telemetry, key)
        self._directory = None if discovery is None else Directory(discovery)
        # DNS does not tell upper from lower case, and names of a service are found in lower case.
        self._in_lower_case = ring.discovery.kind == "dns" and bool(ring.discovery.service)

    def __repr__(self) -> str:
        return f"Addresses({self._everybody or self._directory or self._configured!r})"

    def locate(self, name: str) -> str | None:
        """The address of a member as it is known now.

        With one address to forward to, whoever is there knows the way to all others.
        """
        if self._everybody:
            return self._everybody
        known = {} if self._directory is None else self._directory.known
        found = known.get(name.lower() if self._in_lower_case else name)
        return found or self._configured.get(name) or (name if ":" in name else None)

    async def follow(self) -> None:
        """Follows changes until it is cancelled, where there can be any."""
        if self._directory is not None:
            await self._directory.follow()


def discovery_of(ring: Ring, clock: Clock, telemetry: Telemetry, key: str) -> Discovery | None:
    """What finds the members; None where the configuration says it once and for all."""
    wanted = ring.discovery
    if wanted.kind == "dns":
        known = ring.addresses | ring.members
        hosts = {name: address or name for name, address in known.items() if address or ":" in name}
        return DnsDiscovery(
            clock=clock,
            telemetry=telemetry,
            hosts=None if wanted.service else hosts,
            service=wanted.service,
            nameservers=[(server.host, server.port) for server in wanted.nameservers],
        )
    try:
        if wanted.kind == "consul":
            consul = ConsulOptions.from_environment()
            return ConsulDiscovery(wanted.service, options=consul, clock=clock, telemetry=telemetry)
        if wanted.kind == "kubernetes":
            cluster = KubernetesOptions.in_cluster(
                wanted.service, namespace=wanted.namespace, port=wanted.port
            )
            return KubernetesDiscovery(cluster, clock=clock, telemetry=telemetry)
    except (KeyError, OSError) as exc:
        raise VeneurpyError(
            f"{key}.discovery: {wanted.kind} cannot be used here: {exc} is missing"
        ) from exc
    return None
