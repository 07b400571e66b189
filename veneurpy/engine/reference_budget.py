"""What each metric name may have: a new spelling gets a series of its own, another's, or none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from veneurpy.engine.reference_clients import ClientCount
from veneurpy.engine.reference_hll import EXACT_MEMBERS, ReferenceSet
from veneurpy.engine.reference_store import Series, SeriesKey, Store
from veneurpy.engine.tags import counted_key, counted_values, spell
from veneurpy.engine.types import FOLDED_TAG, Budget, MetricType, Overflow

MOST_KEYS = 16
LONGEST_KEY = 100
MOST_SINK_FOLDS = 64
"""Series of one name that are folded and name sinks: a client can make up sinks."""
_ESTIMATE_EVERY = 256

Spelling = tuple[MetricType, int | None, bytes]


class Place(NamedTuple):
    """Where a line's values go."""

    series: Series | None
    is_folded: bool = False
    """It is another series than the line's own."""
    reason: str = ""
    """Why there is none."""


class TagValues:
    """How many distinct values a tag key has: exact, then an estimate that is renewed at times."""

    def __init__(self) -> None:
        self.distinct = 0
        self._exact: set[bytes] | None = set()
        self._members = ReferenceSet()
        self._news = 0

    def knows(self, value: bytes) -> bool:
        """Whether it is surely one of them."""
        return self._exact is not None and value in self._exact

    def add(self, value: bytes) -> None:
        """Counts a value."""
        if self.knows(value):
            return
        if self._exact is not None and len(self._exact) == EXACT_MEMBERS:
            self._exact = None
        self._members.add(value)
        if self._exact is not None:
            self._exact.add(value)
            self.distinct = len(self._exact)
            return
        self._news += 1
        if self._news == _ESTIMATE_EVERY:
            self._news = 0
            self.distinct = self._members.estimate()


class NameCount:
    """What one name has in one interval of one reader."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget
        self.spellings: dict[Spelling, SeriesKey] = {}
        self.admitted = 0
        self.reduced = 0
        self.sink_folds = 0
        self.folded = 0
        self.rejected = 0
        self.keys: dict[bytes, TagValues] = {}

    @property
    def is_watched(self) -> bool:
        """Whether the values of its tags are counted."""
        return self.admitted > 0 and self.admitted >= self.budget.watch_from

    def is_over(self, spelling: bytes) -> bool:
        """Whether a new series of this spelling is one too many."""
        budget = self.budget
        if budget.max_series and self.admitted >= budget.max_series:
            return True
        return self.is_watched and self.refuses(spelling)

    def refuses(self, spelling: bytes) -> bool:
        """Whether a tag's key has as many values as it may, and not surely this one."""
        budget = self.budget
        return budget.max_values > 0 and any(
            (values := self.keys.get(key)) is not None
            and values.distinct >= budget.max_values
            and not values.knows(value)
            for key, value in counted_values(spelling)
        )

    def take(self, spelling: bytes) -> None:
        """Counts the values of a new spelling's tags."""
        most = self.budget.max_values
        for key, value in counted_values(spelling):
            if key not in self.keys and len(self.keys) < MOST_KEYS and len(key) <= LONGEST_KEY:
                self.keys[key] = TagValues()
            values = self.keys.get(key)
            if values is not None and (not most or values.distinct < most):
                values.add(value)

    def worst(self) -> bytes | None:
        """The key of the most values, of equal ones the first by its bytes."""
        if not self.keys:
            return None
        return min(self.keys, key=lambda key: (-self.keys[key].distinct, key))


class Placer:
    """Finds a place for each line, in one store."""

    def __init__(
        self, store: Store, budgets: Sequence[Budget], *, max_series_per_client: int
    ) -> None:
        self.client: ClientCount | None = None
        """Whose lines come next, if that is known."""
        self._store = store
        self._budgets = [(budget.prefix.encode(), budget) for budget in budgets]
        self._client_series = max_series_per_client
        self._is_client_over = False

    def place(self, key: SeriesKey, spelling: bytes, samples: int) -> Place:
        """Where `samples` values of a series go whose tags were spelled so."""
        client = self.client
        names = self._store.names
        name = names.get(key.name)
        if name is None:
            budget = next(b for prefix, b in self._budgets if key.name.startswith(prefix))
            name = names[key.name] = NameCount(budget)
        known = name.spellings.get((key.type, key.timestamp_s, spelling))
        if known is not None:
            return Place(self._store.series[known])
        is_watched = name.is_watched
        is_client_over = client is not None and client.is_over(self._client_series)
        is_over = is_client_over or name.is_over(spelling)
        series = self._store.series.get(key) if is_over else self._store.find(key)
        if series is not None and not is_over:
            name.spellings[key.type, key.timestamp_s, spelling] = key
            name.admitted += 1
            is_watched = is_watched or name.budget.watch_from == 0
            if client is not None:
                client.made.append((key, spelling))
        if is_watched and (series is None or not is_over):
            name.take(spelling)
        if series is not None:
            return Place(series)
        if client is not None and is_client_over:
            client.over += samples
        self._is_client_over = is_client_over
        place = self._place_excess(name, key, is_full=not is_over)
        if is_watched:
            name.folded += samples * place.is_folded
            name.rejected += samples * (not place.is_folded)
        return place

    def _place_excess(self, name: NameCount, key: SeriesKey, *, is_full: bool) -> Place:
        policy = name.budget.on_overflow
        if key.type is MetricType.GAUGE or (policy is Overflow.REJECT and not is_full):
            return Place(None, reason="store_full" if is_full else "over_budget")
        if policy is Overflow.DROP_TAG and not is_full:
            reduced = self._reduced(name, key)
            if reduced is not None:
                return Place(reduced, is_folded=True)
        return self._folded(name, key)

    def _reduced(self, name: NameCount, key: SeriesKey) -> Series | None:
        """The series without the tags of the key that has the most values."""
        worst = name.worst()
        tags = tuple(tag for tag in key.tags if counted_key(tag) != worst)
        if worst is None or len(tags) == len(key.tags):
            return None
        reduced = key._replace(tags=tags)
        series = self._store.series.get(reduced)
        if series is None and self._may_reduce(name, reduced):
            series = self._stand_in(reduced, is_folded=False)
            if series is not None:
                name.reduced += 1
                name.spellings[_own_spelling(reduced)] = reduced
        return series

    def _may_reduce(self, name: NameCount, reduced: SeriesKey) -> bool:
        most = name.budget.max_series
        if most and name.reduced >= most:
            return False
        return not name.refuses(_own_spelling(reduced)[2]) and self._may_stand_in()

    def _may_stand_in(self) -> bool:
        """Whether the client may begin another series that stands for others."""
        client = self.client
        return client is None or not self._is_client_over or client.stand_ins < self._client_series

    def _stand_in(self, key: SeriesKey, *, is_folded: bool) -> Series | None:
        series = self._store.find(key, reserved=is_folded)
        if series is not None and self.client is not None and self._is_client_over:
            self.client.stand_ins += 1
        return series

    def _folded(self, name: NameCount, key: SeriesKey) -> Place:
        """The series that stands for what its name may not have."""
        folded = key._replace(tags=(FOLDED_TAG.encode(),))
        spelling = _own_spelling(folded)
        if spelling not in name.spellings:
            if not self._may_stand_in():
                return Place(None, reason="over_budget")
            if folded.sinks and name.is_watched:
                if name.sink_folds >= MOST_SINK_FOLDS:
                    return Place(None, reason="over_budget")
                name.sink_folds += 1
            if self._stand_in(folded, is_folded=True) is None:
                return Place(None, reason="store_full")
            name.spellings[spelling] = folded
        return Place(self._store.series[folded], is_folded=True)


def _own_spelling(key: SeriesKey) -> Spelling:
    return key.type, key.timestamp_s, spell(key.tags, key.scope, key.sinks)
