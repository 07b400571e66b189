"""Who may change the ring, by the certificates of mutual TLS."""

from __future__ import annotations

from collections.abc import Collection

from veneurpy.listeners._speakers import joined
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import RingChangeRefused


class RingAdmins:
    """Certificates with one of some names may; every sender, if none is named."""

    def __init__(self, admins: Collection[str], telemetry: Telemetry) -> None:
        self._admins = admins
        self._telemetry = telemetry

    def __repr__(self) -> str:
        return f"RingAdmins({sorted(self._admins)})"

    def allow(self, names: frozenset[str] | None, sender: str) -> bool:
        """Whether a peer with these names in its certificate may; None: it was asked for none."""
        if not self._admins or not (names or frozenset()).isdisjoint(self._admins):
            return True
        self._telemetry.emit(RingChangeRefused(joined(names or ()), sender))
        return False
