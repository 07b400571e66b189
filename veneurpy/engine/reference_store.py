"""What one reader holds of one interval: its series, its side log and its accounts."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from veneurpy.engine.reference_digest import Distribution, Moments
from veneurpy.engine.reference_gauge import Change, Gauge
from veneurpy.engine.reference_hll import ReferenceSet
from veneurpy.engine.rewriting import rewrite_of
from veneurpy.engine.types import Accounts, EngineOptions, MemoryUse, MetricType, Scope

if TYPE_CHECKING:
    from veneurpy.engine.reference_budget import NameCount
    from veneurpy.engine.reference_clients import ClientCount

_SERIES_BYTES = 200
_SAMPLE_BYTES = 16
_SIDE_LOG_LINE_BYTES = 16
_CHANGE_BYTES = 32
RESERVE_SHARE = 100
"""One in so many bytes is for series that stand for what has no room."""


class SeriesKey(NamedTuple):
    """What samples are merged by, within a reader."""

    name: bytes
    tags: tuple[bytes, ...]
    type: MetricType
    scope: Scope
    sinks: frozenset[bytes]
    timestamp_s: int | None


@dataclass(slots=True)
class Counter:
    """A sum of v/r."""

    samples: int = 0
    sum: float = 0.0

    def add(self, value: float) -> None:
        self.samples += 1
        self.sum += value

    def merge(self, other: Counter) -> None:
        self.samples += other.samples
        self.sum += other.sum


@dataclass(slots=True)
class Histogram:
    """The distribution of a histogram or timer."""

    distribution: Distribution
    samples: int = 0
    imported_direct: Moments | None = None
    """Of an imported one: the samples that the owners themselves received."""

    @property
    def direct(self) -> Moments:
        """The samples that nobody else publishes aggregates of."""
        return self.imported_direct or self.distribution.moments

    def add(self, value: float, weight: float) -> None:
        self.samples += 1
        self.distribution.add(value, weight)

    def merge(self, other: Histogram) -> None:
        if self.imported_direct is None and other.imported_direct is not None:
            self.imported_direct = Moments()
            self.imported_direct.merge(self.distribution.moments)
        if self.imported_direct is not None:
            self.imported_direct.merge(other.direct)
        self.samples += other.samples
        self.distribution.merge(other.distribution)


@dataclass(slots=True)
class MemberSet:
    """How many distinct members."""

    members: ReferenceSet = field(default_factory=ReferenceSet)
    samples: int = 0

    def add(self, member: bytes) -> None:
        self.samples += 1
        self.members.add(member)

    def merge(self, other: MemberSet) -> None:
        self.samples += other.samples
        self.members.merge(other.members)


Series: TypeAlias = Counter | Gauge | Histogram | MemberSet


class Memory:
    """Bytes that all stores, open and closed, may hold together: an estimate."""

    def __init__(self, limit: int) -> None:
        self._limit = self._left = self._least = limit
        self._reserve = limit // RESERVE_SHARE
        self._lock = Lock()

    def take(self, size: int, *, reserved: bool = False) -> bool:
        """Takes `size` if so much is left, beside the reserve if that is not meant for it."""
        with self._lock:
            if size > self._left - (0 if reserved else self._reserve):
                return False
            self._spend(size)
            return True

    def grow(self, size: int) -> None:
        """Takes `size` in any case: what is there may grow, nothing new may come."""
        with self._lock:
            self._spend(size)

    def use(self) -> MemoryUse:
        """How much is taken, and the most that was."""
        with self._lock:
            return MemoryUse(self._limit, self._limit - self._left, 0, self._limit - self._least)

    def _spend(self, size: int) -> None:
        self._left -= size
        self._least = min(self._least, self._left)

    def give_back(self, size: int) -> None:
        with self._lock:
            self._left += size


class Store:
    """One reader's share of one interval. The reader lets in one thread at a time."""

    def __init__(
        self, reader: int, options: EngineOptions, memory: Memory, *, keeps_gauges: bool = False
    ) -> None:
        """`keeps_gauges`: they are carried on into intervals after this one."""
        self.keeps_gauges = keeps_gauges
        self.accounts = Accounts()
        self.series: dict[SeriesKey, Series] = {}
        self.names: dict[bytes, NameCount] = {}
        self.clients: dict[str, ClientCount] = {}
        self.side_log: list[bytes] = []
        self._reader = reader
        self._options = options
        self._memory = memory
        self._bytes = 0
        self._side_log_bytes = 0
        self._changes_bytes = 0
        self._timestamps: set[int] = set()
        self._time_ns = 0

    def find(self, key: SeriesKey, *, reserved: bool = False) -> Series | None:
        """The series of that key, a new one if need be; None if the store is full."""
        series = self.series.get(key)
        if series is None:
            size = self.bytes_of(key)
            if not self._memory.take(size, reserved=reserved):
                return None
            self._bytes += size
            series = self.series[key] = new_series(key.type, self._options.compression)
        return series

    def bytes_of(self, key: SeriesKey) -> int:
        """What a series takes at least: an estimate."""
        return _SERIES_BYTES + len(key.name) + sum(map(len, key.tags))

    def write_gauge(self, gauge: Gauge, value: float, now_ns: int) -> None:
        """The order of arrival holds within a reader, whatever its clock does."""
        self._time_ns = max(self._time_ns + 1, now_ns)
        gauge.write(value, self._time_ns, self._reader)

    def change_gauge(self, gauge: Gauge, value: float, now_ns: int) -> str:
        """The same with a change; why it finds no room, or nothing."""
        size = self._changes_bytes + _CHANGE_BYTES
        if size > self._options.side_log_max_bytes:
            return "side_log_full"
        if not self._memory.take(_CHANGE_BYTES):
            return "store_full"
        self._time_ns = max(self._time_ns + 1, now_ns)
        self._changes_bytes = size
        self._bytes += _CHANGE_BYTES
        gauge.change(Change(self._time_ns, self._reader, value))
        return ""

    @property
    def taken_bytes(self) -> int:
        """What it has of the memory."""
        return self._bytes

    def grow(self, samples: int) -> None:
        """Accounts for samples that are kept as such."""
        self._bytes += samples * _SAMPLE_BYTES
        self._memory.grow(samples * _SAMPLE_BYTES)

    def keep_timestamp(self, timestamp_s: int) -> bool:
        """Whether that second is, or may become, one of those that are kept apart."""
        if timestamp_s in self._timestamps:
            return True
        if len(self._timestamps) >= self._options.max_timestamps:
            return False
        self._timestamps.add(timestamp_s)
        return True

    def keep_line(self, line: bytes) -> bool:
        """Puts an event or a check into the side log, if there is room."""
        size = self._side_log_bytes + len(line) + _SIDE_LOG_LINE_BYTES
        if size > self._options.side_log_max_bytes:
            return False
        self._side_log_bytes = size
        self.side_log.append(line)
        return True

    def aggregated(self) -> dict[MetricType, int]:
        """Values per type, added up from the series themselves: the ledger's other side."""
        totals = dict.fromkeys(MetricType, 0)
        for key, series in self.series.items():
            totals[key.type] += 0 if self.becomes(key) is None else series.samples
        return totals

    def filtered(self) -> int:
        """Values of the series that are dropped."""
        dropped = (series for key, series in self.series.items() if self.becomes(key) is None)
        return sum(series.samples for series in dropped)

    def becomes(self, key: SeriesKey) -> SeriesKey | None:
        """What a series is merged as; None: it is dropped. What no reader had stays as it is.

        A gauge without samples had only changes that found no room.
        """
        rewriter = self._options.rewriter
        if self._reader < 0:
            return key
        if key.type is MetricType.GAUGE and not self.series[key].samples:
            return None
        if rewriter is None:
            return key
        rewrite = rewrite_of(rewriter, key.name, key.type, key.tags)
        if rewrite is None:
            return key
        if rewrite.is_dropped:
            return None
        return key._replace(name=rewrite.name, tags=rewrite.tags(key.tags))

    def release(self) -> None:
        """Gives everything back. Idempotent."""
        self._memory.give_back(self._bytes)
        self._bytes = 0
        self.series = {}
        self.names = {}
        self.clients = {}
        self.side_log = []


def new_series(type_: MetricType, compression: float) -> Series:
    """An empty one."""
    match type_:
        case MetricType.COUNTER:
            return Counter()
        case MetricType.GAUGE:
            return Gauge()
        case MetricType.SET:
            return MemberSet()
        case MetricType.HISTOGRAM | MetricType.TIMER:
            return Histogram(Distribution(compression))
