"""The words of the store: types of series, scopes, statistics and what a flush makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple


class MetricType(IntEnum):
    """What a series is; the numbers are those of Veneur's `metricpb.Type`."""

    COUNTER = 0
    GAUGE = 1
    HISTOGRAM = 2
    SET = 3
    TIMER = 4


class Scope(IntEnum):
    """Where a series is published; the numbers are those of Veneur's `metricpb.Scope`."""

    MIXED = 0
    LOCAL = 1
    GLOBAL = 2


class PointType(IntEnum):
    """What a flushed point is to a sink."""

    COUNTER = 0
    GAUGE = 1
    STATUS = 2


class Statistic(IntEnum):
    """What is computed of a histogram or timer."""

    MIN = 0
    MAX = 1
    SUM = 2
    AVG = 3
    COUNT = 4
    MEDIAN = 5
    HMEAN = 6
    QUANTILE = 7


class Output(NamedTuple):
    """One point that every histogram or timer yields at the flush.

    `suffix` is what follows the name, with its dot (".max", ".99percentile"); `quantile` is read
    for `Statistic.QUANTILE` only, 0 <= quantile <= 1.
    """

    suffix: str
    statistic: Statistic
    type: PointType
    quantile: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What `Interval.columns` computes: counters, gauges and sets yield one point as they are."""

    histograms: tuple[Output, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an engine needs to know. It never sees the configuration."""

    extend_tags: tuple[str, ...] = ()
    """Tags given to every series at the merge; one replaces a sent tag of equal key."""
    compression: float = 100.0
    """The t-digest's delta: about this many centroids at the most."""
    max_datagram_bytes: int = 8192
    """A longer datagram is cut: its complete lines count."""
    store_max_bytes: int = 1 << 30
    """Upper bound of all arenas together. A new series beyond it is rejected `store_full`."""
    interval_s: float = 10.0
    """How far in the future a `T` may lie."""
    late_window_s: float = 600.0
    """How old a `T` may be."""
    max_timestamps: int = 1024
    """How many distinct `T` one reader keeps in one interval."""
    arena_dir: str | None = None
    """Where arenas are files, on tmpfs, so that they outlive the process; None: plain memory.

    The directory belongs to one engine at a time: a lock in it says so (OSError at the opening).
    """
    side_log_max_bytes: int = 4 << 20
    """Bytes of events and service checks that one reader keeps in one interval."""


# Why a line or a value was rejected, in the order in which a line is checked: the first one counts.
LINE_REASONS = (
    "no_colon_or_pipe",
    "bad_name",
    "bad_type",
    "bad_rate",
    "bad_tags",
    "bad_value",
    "bad_event",
    "bad_check",
    "side_log_full",
)
VALUE_REASONS = ("bad_value", "store_full")
# What a client sent and the engine passed over, the sample kept.
IGNORED_FIELDS = ("unknown_field", "bad_timestamp", "scope_conflict")


@dataclass(slots=True)
class Accounts:
    """The ledger of one reader over one interval. Counts, never rates.

    Holds, once the side log has been read (`pending` 0):
    `datagrams = whole + truncated`, `lines = accepted + sum(rejected) + pending`,
    `values = sum(aggregated) + sum(values_rejected)`.
    """

    datagrams: int = 0
    bytes: int = 0
    whole: int = 0
    truncated: int = 0
    lost_in_crash: int = 0
    """Datagrams read and not applied when the process died: at most 64 a reader."""
    kernel_drops: int = 0
    lines: int = 0
    accepted: int = 0
    pending: int = 0
    """Lines of events and service checks that wait to be parsed."""
    rejected: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LINE_REASONS, 0))
    values: int = 0
    """Values of accepted lines, as the parser counted them."""
    aggregated: dict[MetricType, int] = field(default_factory=lambda: dict.fromkeys(MetricType, 0))
    """Values in the store, as the closed store itself adds them up series by series."""
    values_rejected: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VALUE_REASONS, 0))
    ignored: dict[str, int] = field(default_factory=lambda: dict.fromkeys(IGNORED_FIELDS, 0))
