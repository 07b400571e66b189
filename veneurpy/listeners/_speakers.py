"""Who may send in whose name, by the certificates of mutual TLS."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from veneurpy.telemetry import Telemetry, metrics
from veneurpy.telemetry.events import SenderForged

MOST_PAIRS = 1000
MOST_NAME = 200
OTHERS = "others"


class Speakers:
    """A node speaks for the names in its certificate, one that `relays` names for everybody.

    What is refused is counted with both names, at most MOST_PAIRS of them; each is logged once.
    """

    def __init__(self, relays: Callable[[], Iterable[str]], telemetry: Telemetry) -> None:
        """`relays` is asked each time: the ring may have changed."""
        self._relays = relays
        self._telemetry = telemetry
        self._told: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return f"Speakers(relays={sorted(self._relays())})"

    def allow(self, names: frozenset[str] | None, sender: str) -> bool:
        """Whether a peer with these names in its certificate may send in the name of `sender`.

        None: no certificate was asked for, and anybody may.
        """
        if names is None or sender in names or not names.isdisjoint(self._relays()):
            return True
        pair = joined(names), sender[:MOST_NAME]
        if pair not in self._told and len(self._told) >= MOST_PAIRS:
            pair = OTHERS, OTHERS
        certificate, claimed = pair
        if pair in self._told:
            self._telemetry.add(metrics.SENDERS_FORGED, 1, certificate=certificate, sender=claimed)
        else:
            self._told.add(pair)
            self._telemetry.emit(SenderForged(certificate, claimed))
        return False


def joined(names: Iterable[str]) -> str:
    """The names of a certificate as they are told."""
    return ",".join(sorted(names))[:MOST_NAME]
