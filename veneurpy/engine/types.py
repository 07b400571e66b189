"""The words of the store: types of series, scopes, statistics and what a flush makes of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from veneurpy.engine.rewriting import Rewriter

from veneurpy.engine.grammar import DOGSTATSD, Grammar

Bytes = bytes | bytearray | memoryview
"""What holds the bytes of a datagram; nobody keeps it."""


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


class OriginTag(IntEnum):
    """What is known of a sender and can become a tag, in the order in which it is added."""

    CONTAINER_ID = 0
    CONTAINER_NAME = 1
    POD_UID = 2
    CARDINALITY = 3
    PID = 4
    UID = 5


class Process(NamedTuple):
    """A sender on this machine, as the kernel says it."""

    pid: int
    """0 where it is not ours to know: of another namespace, say."""
    uid: int


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


class Role(IntEnum):
    """What a node is to its samples: which rows it makes of them, and which series it forwards."""

    STANDALONE = 0
    """It publishes everything."""
    HOST = 1
    """It publishes what is of its own, and forwards what is to be merged over hosts."""
    OWNER = 2
    """It forwards everything, what is of its own to itself: owners publish what they merged."""


class Overflow(IntEnum):
    """What becomes of a new series for which its name has no room left."""

    FOLD = 0
    """Its values go to the series of that name whose only tag is `FOLDED_TAG`."""
    DROP_TAG = 1
    """The tag of the key that has the most values is left out; where that is of no use: `FOLD`."""
    REJECT = 2
    """Its values are rejected, `over_budget`."""


FOLDED_TAG = "veneurpy.folded:true"


@dataclass(frozen=True, slots=True)
class Budget:
    """What each metric name that begins with `prefix` may have in one interval of one reader.

    Spellings are counted: tags in another order count again until the name is at a bound, where a
    known series is recognised however it is spelled. Gauges are never folded: beyond a bound they
    are rejected.
    """

    prefix: str = ""
    max_series: int = 100_000
    """Series of one name; 0: no bound."""
    max_values: int = 0
    """Values of one tag key of one name; 0: no bound. Up to 1,536 they are known one by one; with
    more, a key at its bound takes no new series at all."""
    on_overflow: Overflow = Overflow.FOLD

    @property
    def watch_from(self) -> int:
        """The spellings of a name from which on the values of its tags are counted."""
        return min([128, *(bound // 4 for bound in (self.max_series, self.max_values) if bound)])


class NameTop(NamedTuple):
    """What one metric name was in one interval, all readers together."""

    name: str
    samples: int
    series: int
    """Spellings, at each reader."""
    new: int
    """Those of them that the interval before did not have (an estimate, a little low)."""
    bytes: int
    tag: str
    """The key that has the most values, "" for tags without a colon or where none is watched."""
    values: int
    """How many values that is (an estimate when there are many), at the reader that saw most."""
    folded: int
    rejected: int
    """Values, for want of room in its budget."""


NAME_FIGURES = ("samples", "series", "new", "bytes", "values", "folded", "rejected")


class ClientTop(NamedTuple):
    """What one client was in one interval, all readers together.

    Of a reader that receives by itself, and has no `max_series_per_client`, estimates: one batch of
    datagrams in 64 is looked at and stands for all.
    """

    client: str
    """`container:` and the first 36 bytes of its id; else its user and process, or its address
    without the port; "" for those that found the table of clients full."""
    datagrams: int
    samples: int
    series: int
    """Spellings that it was the first to send in the interval, at each reader."""
    new: int
    """Those of them that the interval before did not have."""
    bytes: int
    """What they take."""
    folded: int
    rejected: int
    """Lines and values, for any reason."""
    over: int
    """Values of series beyond `max_series_per_client`, whatever became of them."""


CLIENT_FIGURES = ClientTop._fields[1:]


def add_clients(one: ClientTop, other: ClientTop) -> ClientTop:
    """The same client at two readers."""
    return ClientTop(one.client, *(a + b for a, b in zip(one[1:], other[1:], strict=True)))


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
    """What `Interval.columns` computes: counters, gauges and sets yield one point as they are.

    Samples with a `T` yield rows in every role. Beside them a HOST makes none of global counters
    and gauges, of sets and histograms that it forwards whole, and no quantiles but the median of
    mixed histograms; an OWNER makes no others at all.
    """

    histograms: tuple[Output, ...] = ()
    role: Role = Role.STANDALONE


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """What an engine needs to know. It never sees the configuration."""

    extend_tags: tuple[str, ...] = ()
    """Tags given to every series at the merge; one replaces a sent tag of equal key."""
    rewriter: Rewriter | None = None
    """Who says what becomes of names, before tags are given to them; None: they stay."""
    compression: float = 100.0
    """The t-digest's delta: about this many centroids at the most."""
    max_datagram_bytes: int = 8192
    """A longer datagram is cut: its complete lines count."""
    plan: Plan = Plan()
    """What its intervals will be asked for: memory is kept free for that."""
    store_max_bytes: int = 1 << 30
    """Upper bound of everything: open and closed arenas, merging, columns as long as they live.
    Near it new series are folded into one of their name; gauges, and what has no room even so, are
    rejected `store_full`."""
    budgets: tuple[Budget, ...] = (Budget(),)
    """The first whose prefix a name begins with is the name's; the last one's prefix is empty."""
    max_series_per_client: int = 0
    """What one client may be the first to send in one interval of one reader; 0: no bound. Beyond
    it a new series is treated as one beyond its name's budget; of series that stand for those it
    may begin so many again, for it can make up names."""
    origin_tags: tuple[OriginTag, ...] = ()
    """Tags that metric lines get of where they come from, as if their sender had written them."""
    proc_dir: str = "/proc"
    """Where the container of a process is looked up."""
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
    coalesce: bool = True
    """A reader that receives by itself may sleep for up to 1 ms, for datagrams to gather."""
    capture_bytes: int = 0
    """What each reader keeps of what it received last, as it came; 0: nothing. It is a part of
    `store_max_bytes`, all readers together a quarter of it at the most: the last ones keep less."""
    side_log_max_bytes: int = 4 << 20
    """Bytes of events and service checks that one reader keeps in one interval, and once more of
    changes of gauges."""
    gauge_ttl_s: float = 0.0
    """How long after it was last sent a gauge of plain StatsD is flushed again; 0: never."""
    import_max_bytes: int = 1 << 30
    """Upper bound of all import stores together."""
    grammar: Grammar = DOGSTATSD
    """Of readers that are opened without one of their own."""


# Why a line or a value was rejected, in the order in which a line is checked: the first one counts.
# The last is for lines of streams, of which nothing but the length is known.
LINE_REASONS = (
    "no_colon_or_pipe",
    "bad_name",
    "bad_type",
    "bad_rate",
    "mixed_tagging_styles",
    "bad_tags",
    "bad_value",
    "bad_event",
    "bad_check",
    "side_log_full",
    "too_long",
)
VALUE_REASONS = ("bad_value", "store_full", "over_budget", "side_log_full")
# What a client sent and the engine passed over, the sample kept.
IGNORED_FIELDS = ("unknown_field", "bad_timestamp", "scope_conflict", "bad_name_tag")


class Captured(NamedTuple):
    """What a reader received, as it came."""

    datagrams: list[tuple[int, bytes]]
    """(CLOCK_REALTIME in ns, bytes), in order of arrival. Of a datagram that was cut, the complete
    lines; of a stream, whole lines."""
    mark: int
    """Where what comes next begins."""
    missed_bytes: int
    """What had been overwritten since the mark that was asked from."""


class MemoryUse(NamedTuple):
    """What an engine holds, in bytes."""

    limit: int
    """`EngineOptions.store_max_bytes`."""
    arenas: int
    """Memory behind the open and the closed stores, and what is kept for captures."""
    flush: int
    """What is being merged, and columns that somebody still has."""
    peak: int
    """The most that both were together."""


@dataclass(slots=True)
class Accounts:
    """The ledger of one reader over one interval. Counts, never rates.

    Holds, once the side log has been read (`pending` 0):
    `datagrams = whole + truncated`, `lines = accepted + sum(rejected) + pending`,
    `values = sum(aggregated) + filtered + sum(values_rejected)`.
    """

    datagrams: int = 0
    bytes: int = 0
    whole: int = 0
    truncated: int = 0
    lost_in_crash: int = 0
    """Datagrams taken from the socket and not applied when it died: at most 64 a reader."""
    kernel_drops: int = 0
    lines: int = 0
    accepted: int = 0
    pending: int = 0
    """Lines of events and service checks that wait to be parsed."""
    rejected: dict[str, int] = field(default_factory=lambda: dict.fromkeys(LINE_REASONS, 0))
    values: int = 0
    """Values of accepted lines, as the parser counted them."""
    folded: int = 0
    """Those of them that went into a series of fewer tags, for want of room for their own."""
    aggregated: dict[MetricType, int] = field(default_factory=lambda: dict.fromkeys(MetricType, 0))
    """Values in the store, as the closed store itself adds them up series by series."""
    filtered: int = 0
    """Values of series that a rule dropped."""
    values_rejected: dict[str, int] = field(default_factory=lambda: dict.fromkeys(VALUE_REASONS, 0))
    ignored: dict[str, int] = field(default_factory=lambda: dict.fromkeys(IGNORED_FIELDS, 0))
