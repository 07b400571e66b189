"""Names and clients that went over their budget: named in the log once, counted every time."""

from __future__ import annotations

from collections.abc import Iterable

from veneurpy.engine import ClientTop, NameTop
from veneurpy.telemetry import Telemetry, metrics
from veneurpy.telemetry.events import ClientOverBudget, NameOverBudget

MOST_REMEMBERED = 1_000
"""Names, and clients, beyond are counted and no longer logged: clients make up names."""
MOST_AT_ONCE = 10
"""Lines of one flush."""


class Offenders:
    """Remembers which were named."""

    def __init__(self) -> None:
        self._named: set[str] = set()
        self._clients: set[str] = set()

    def report(self, tops: Iterable[NameTop], telemetry: Telemetry) -> None:
        """Counts the names of one interval that were over budget, and logs those that are new."""
        over = sorted(
            (top for top in tops if top.folded or top.rejected),
            key=lambda top: -(top.folded + top.rejected),
        )
        telemetry.add(metrics.NAMES_OVER_BUDGET, len(over))
        unnamed = [top for top in over if top.name not in self._named]
        for top in unnamed[: min(MOST_AT_ONCE, MOST_REMEMBERED - len(self._named))]:
            self._named.add(top.name)
            telemetry.emit(
                NameOverBudget(top.name, top.series, top.tag, top.values, top.folded, top.rejected)
            )

    def report_clients(self, tops: Iterable[ClientTop], telemetry: Telemetry) -> None:
        """The same of clients."""
        over = sorted((top for top in tops if top.over), key=lambda top: -top.over)
        telemetry.add(metrics.CLIENTS_OVER_BUDGET, len(over))
        unnamed = [top for top in over if top.client not in self._clients]
        for top in unnamed[: min(MOST_AT_ONCE, MOST_REMEMBERED - len(self._clients))]:
            self._clients.add(top.client)
            telemetry.emit(ClientOverBudget(top.client, top.series, top.over))
