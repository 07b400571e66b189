"""The settings of a node: every key, its type, its default and what it does."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    SerializeAsAny,
    field_validator,
)

from veneurpy.config.address import HostPort, HttpAddress, ListenAddress, StatsAddress
from veneurpy.config.called import Called
from veneurpy.config.checks import (
    DEFAULT_AGGREGATES,
    Aggregate,
    as_tuple,
    check_distinct,
    check_name,
    check_percentile,
    check_plain,
    check_sent_tag,
    check_tag,
)
from veneurpy.config.quantity import Duration, OptionalDuration, Size
from veneurpy.config.section import Section
from veneurpy.config.wrong import Wrong

Percentile = Annotated[float, AfterValidator(check_percentile), Called("fraction")]
Tag = Annotated[str, AfterValidator(check_tag), Called("tag")]
SentTag = Annotated[str, AfterValidator(check_sent_tag), Called("tag")]
KIB, MIB = 1 << 10, 1 << 20


class SinkEntry(Section):
    """One sink of `metric_sinks`."""

    kind: str
    """What it is: `console`, `localfile`, `prometheus`, `statsd`, `blackhole`, `debug`, or a
    plug-in's."""
    name: Annotated[str, AfterValidator(check_name)] = ""
    """How metrics, logs and `veneursinkonly:<name>` call it; unique. Empty: as its kind."""
    on_doubt: Literal["drop", "resend"] = "drop"
    """With `state_dir`: what to do with rows that were being written when the process died, where a
    second write would count twice. `drop` counts them as in doubt, `resend` writes them again."""
    config: SerializeAsAny[BaseModel] = Field(default_factory=Section)
    """The options of its kind."""


class Config(Section):
    """The settings of a node, checked."""

    statsd_listen_addresses: Annotated[tuple[ListenAddress, ...], BeforeValidator(as_tuple)] = ()
    """Where to receive StatsD and DogStatsD datagrams, as URLs: `udp://127.0.0.1:8125`,
    `udp6://[::1]:8125`, `udp://:8125` (every address, IPv4 and IPv6)."""
    num_readers: Annotated[int, Field(ge=1, le=128)] = 1
    """Sockets and threads that receive, for each listener (SO_REUSEPORT). One reads some hundred
    thousand datagrams a second; more of them help only where there are cores for them."""
    read_buffer_size_bytes: Annotated[Size, Field(ge=1 * KIB, le=1 << 30)] = 2 * MIB
    """The receive buffer asked of the kernel for each socket (SO_RCVBUF). The kernel grants at most
    `net.core.rmem_max`; a warning at the start says so if it is less."""
    coalesce: bool = True
    """Let datagrams gather for up to 1 ms while enough of them come, and no longer than the receive
    buffer allows: many are then read at once, for half the CPU time. `false`: each wakes the
    reader."""
    metric_max_length: Annotated[int, Field(ge=1, le=65507)] = 8192
    """The longest datagram in bytes. A longer one is cut and its complete lines count."""

    interval: Duration = 10.0
    """The flush period. Intervals are aligned with the clock: 10s ends at :00, :10, :20."""
    hostname: Annotated[str, AfterValidator(check_plain)] = ""
    """The host of every point. Empty: the name of the operating system."""
    omit_empty_hostname: bool = False
    """With an empty `hostname`, points have no host instead of the operating system's name."""
    extend_tags: Annotated[tuple[Tag, ...], BeforeValidator(as_tuple)] = ()
    """Tags given to everything received. One replaces a sent tag of equal key. Empty ones are
    ignored."""
    percentiles: Annotated[tuple[Percentile, ...], BeforeValidator(as_tuple)] = ()
    """Percentiles of histograms and timers, as fractions: 0.99 yields `<name>.99percentile`."""
    aggregates: Annotated[tuple[Aggregate, ...], BeforeValidator(as_tuple)] = DEFAULT_AGGREGATES
    """What else is computed of histograms and timers, as `<name>.<aggregate>`: min, max, median,
    avg, count, sum, hmean. An empty list means the default."""
    digest_compression: Annotated[float, Field(ge=20, le=1000)] = 100.0
    """Accuracy of percentiles: about this many centroids for each series. Veneur's is 100."""
    late_window: Duration = 600.0
    """How old the timestamp of a sample (`T`) may be; an older one is ignored and counted."""
    max_timestamps: Annotated[int, Field(ge=1, le=1 << 20)] = 1024
    """How many distinct timestamps (`T`) each reader keeps in one interval."""

    engine: Literal["native", "python"] = "native"
    """`native` is compiled and fast. `python` gives the same results where nothing can be
    compiled."""
    store_max_bytes: Annotated[Size, Field(ge=16 * MIB, le=1 << 44)] = 512 * MIB
    """Memory for the series of all readers. New series beyond it are folded into one of
    their name, or rejected and counted."""
    max_series_per_name: Annotated[int, Field(ge=0, le=1 << 31)] = 100_000
    """How many series one metric name may have in an interval, at each reader. 0: no bound."""
    max_values_per_tag: Annotated[int, Field(ge=0, le=1 << 31)] = 0
    """How many values one tag key of one name may have in an interval, at each reader. 0: no
    bound."""
    on_overflow: Literal["fold", "drop_tag", "reject"] = "fold"
    """What becomes of a new series beyond that. `fold`: its values go to the series of its name
    tagged `veneurpy.folded:true`. `drop_tag`: it loses the tag that has the most values. `reject`:
    its values are rejected. Gauges are always rejected."""
    side_log_max_bytes: Annotated[Size, Field(ge=1 * KIB, le=1 << 30)] = 4 * MIB
    """Memory for the events and service checks that each reader keeps in one interval."""

    metric_sinks: Annotated[tuple[SinkEntry, ...], BeforeValidator(as_tuple)] = ()
    """Where points go. Every sink gets every point, but for those tagged
    `veneursinkonly:<name>`."""
    sink_queue_batches: Annotated[int, Field(ge=1, le=64)] = 4
    """Intervals that wait for a slow sink. Beyond it the oldest is dropped, counted and logged."""
    flush_timeout: OptionalDuration = None
    """How long a sink may take for one interval. Empty: as long as the interval."""

    http_address: HttpAddress = HostPort("127.0.0.1", 8127)
    """Where health, status, the ledger and metrics are served by HTTP. Empty: nowhere. `:8127`
    means every address: there is no authentication."""
    stats_address: StatsAddress = None
    """Where the node's own metrics are sent too, as DogStatsD by UDP after each flush:
    `localhost:8125`. Empty: nowhere."""
    veneur_metrics_additional_tags: Annotated[tuple[SentTag, ...], BeforeValidator(as_tuple)] = ()
    """Tags for what is sent to `stats_address`. Empty ones are ignored."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe log lines that are written. Veneur's `debug: true` means `debug`."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """`console` is for people, `json` for machines, `auto` is `console` on a terminal."""

    state_dir: Annotated[str, AfterValidator(check_plain)] = ""
    """A directory on disk for closed intervals that a sink does not have yet. With it and
    `arena_dir` a killed process loses nothing that it had aggregated: the next one goes on. Empty:
    everything is in memory only."""
    arena_dir: Annotated[str, AfterValidator(check_plain)] = ""
    """A directory on tmpfs for the open interval. It goes with `state_dir`; both belong to one
    daemon."""
    spool_max_bytes: Annotated[Size, Field(ge=1 * MIB, le=1 << 44)] = 1 << 30
    """How much the closed intervals may take in `state_dir`. Beyond it the oldest are given up."""
    accept_window: Duration = 6 * 3600.0
    """How long a closed interval waits for a sink; an older one is given up."""

    shutdown: Literal["auto", "flush", "handover"] = "auto"
    """What happens at SIGTERM and SIGINT. `flush`: read what the kernel had queued, flush
    everything, exit. `handover`: leave the open interval, and the sockets if systemd keeps them, to
    the next process. `auto`: `handover` with `state_dir`, `flush` without."""
    shutdown_timeout: Duration = 10.0
    """How long that may take; what is left then is named in the log."""

    @field_validator("interval", "shutdown_timeout", "flush_timeout")
    @classmethod
    def _long_enough(cls, value: float | None) -> float | None:
        if value is not None and value < 0.01:
            raise Wrong("expected a duration of at least 10ms")
        return value

    @field_validator("statsd_listen_addresses", "percentiles", "aggregates")
    @classmethod
    def _distinct(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        # A listener on port 0 gets a port of its own each time.
        check_distinct(value for value in values if getattr(value, "port", None) != 0)
        return values

    @field_validator("extend_tags", "veneur_metrics_additional_tags")
    @classmethod
    def _given(cls, tags: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(tag for tag in tags if tag)

    @field_validator("aggregates")
    @classmethod
    def _some(cls, aggregates: tuple[Aggregate, ...]) -> tuple[Aggregate, ...]:
        return aggregates or DEFAULT_AGGREGATES

    @property
    def hands_over(self) -> bool:
        """Whether a shutdown leaves the open interval to the next process."""
        return self.shutdown == "handover" or (self.shutdown == "auto" and bool(self.state_dir))

    @property
    def flush_timeout_s(self) -> float:
        """How long a sink may take for one interval."""
        return self.interval if self.flush_timeout is None else self.flush_timeout
