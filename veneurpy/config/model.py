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

from veneurpy.config.address import GrpcAddress, HostPort, HttpAddress, StatsAddress
from veneurpy.config.called import Called
from veneurpy.config.checks import (
    DEFAULT_AGGREGATES,
    Aggregate,
    as_tuple,
    check_distinct,
    check_name,
    check_pem,
    check_percentile,
    check_plain,
    check_sent_tag,
    check_tag,
)
from veneurpy.config.filters import FilterEntry
from veneurpy.config.listen import GrpcListenAddress, ListenAddress, ListenUrl
from veneurpy.config.listen_options import Dialect, NameTagStyles
from veneurpy.config.mode import UnixMode
from veneurpy.config.quantity import Duration, OptionalDuration, Size
from veneurpy.config.ring import Address, ClientFiles, NodeName, Ring, ServerFiles
from veneurpy.config.secret import Secret
from veneurpy.config.section import Section
from veneurpy.config.wrong import Wrong

Percentile = Annotated[float, AfterValidator(check_percentile), Called("fraction")]
Tag = Annotated[str, AfterValidator(check_tag), Called("tag")]
SentTag = Annotated[str, AfterValidator(check_sent_tag), Called("tag")]
KIB, MIB = 1 << 10, 1 << 20


Overflow = Literal["fold", "drop_tag", "reject"]
Origin = Literal["container_id", "container_name", "pod_uid", "cardinality", "pid", "uid"]


class BudgetEntry(Section):
    """One budget of `budgets`."""

    prefix: Annotated[str, Field(min_length=1), AfterValidator(check_plain)]
    """It is for the names that begin with this."""
    max_series: Annotated[int | None, Field(ge=0, le=1 << 31)] = None
    """How many series a name may have in an interval, at each reader. 0: no bound. Empty: as
    `max_series_per_name`."""
    max_values: Annotated[int | None, Field(ge=0, le=1 << 31)] = None
    """How many values one tag key of a name may have. 0: no bound. Empty: as
    `max_values_per_tag`."""
    on_overflow: Overflow | None = None
    """What becomes of the excess: `fold`, `drop_tag` or `reject`. Empty: as the key of that name
    above."""


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
    """Where to receive StatsD and DogStatsD, as URLs: `udp://127.0.0.1:8125`, `udp6://[::1]:8125`,
    `udp://:8125` (every address, IPv4 and IPv6); `tcp`, `tcp4`, `tcp6` and `tls` likewise;
    `unixgram:///run/dsd.socket`, `unix:` (a stream), `unixpacket:`, each with a path or an abstract
    name (`unix:@dsd`); `systemd://NAME`; `stdin:`; `http:` (`POST /api/v1/statsd` on
    `http_address`). What is asked for behind a `?` is for that listener alone:
    `udp://:8126?dialect=statsd`."""
    dialect: Dialect = "dogstatsd"
    """What the lines are. `statsd`: plain StatsD, where a sign makes a gauge's value a change of
    the one before (`+3`, `-2`), gauges keep their values (`gauge_ttl`), and `m` (a meter) is a
    counter. For one listener: `?dialect=statsd` in its URL."""
    gauge_ttl: Duration = 0.0
    """With `dialect: statsd`: for how long a gauge is flushed again, with the same value, after it
    was last sent. 0: it is forgotten at the flush, and a change is one of 0 then. One for all
    listeners of that dialect."""
    name_tags: Annotated[NameTagStyles, BeforeValidator(as_tuple)] = ()
    """Where tags may stand in a metric's name: `influxdb` (`name,tag=value`), `librato`
    (`name#tag=value`), `signalfx` (`name[tag=value]`), `graphite` (`name;tag=value`). A style that
    is not listed is part of the name. For one listener: `?name_tags=influxdb,librato` in its URL,
    or `none`."""
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

    stream_max_line_bytes: Annotated[Size, Field(ge=64, le=64 * KIB)] = 64 * KIB
    """The longest line of a connection (TCP, TLS, Unix streams, stdin, HTTP). A longer one is
    rejected and counted; the connection goes on."""
    stream_max_connections: Annotated[int, Field(ge=1, le=1 << 20)] = 4096
    """Connections that one listener takes at a time; more are closed at once and counted."""
    stream_max_held_bytes: Annotated[Size, Field(ge=64 * KIB, le=1 << 40)] = 64 * MIB
    """Memory of one listener for lines that have not ended yet. A connection that needs more is
    closed and counted."""
    stream_idle_timeout: Duration = 600.0
    """A connection that has sent nothing for so long is closed."""
    unix_socket_mode: UnixMode = 0o666
    """The permissions of Unix sockets that are files: whoever may write to it may send."""
    unix_socket_owner: Annotated[str, AfterValidator(check_plain)] = ""
    """Their owner: `user`, `user:group` or `:group`. Empty: as the process."""
    tls_certificate: Annotated[str, AfterValidator(check_pem)] = ""
    """The certificate of `tls://` listeners with its chain, and of `tcp://` ones once it is set,
    for gRPC too: PEM text, or the path of a file. Files are read again when they change."""
    tls_key: Secret = Secret("")
    """The private key of `tls_certificate`, in the same two forms."""
    tls_authority_certificate: Annotated[str, AfterValidator(check_pem)] = ""
    """With it, clients must show a certificate that this authority has signed. The same two
    forms."""
    tls_allowed_names: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = ()
    """With `tls_authority_certificate`: a client's certificate must have one of these names
    (subjectAltName or common name). Empty: any that is signed."""
    http_statsd: bool = False
    """Whether lines are also taken by HTTP, as `POST /api/v1/statsd` on `http_address`: the same as
    `http:` among `statsd_listen_addresses`, where options can be given."""
    grpc_listen_addresses: Annotated[tuple[GrpcListenAddress, ...], BeforeValidator(as_tuple)] = ()
    """Where to receive DogStatsD packets by gRPC (Veneur's `dogstatsd.DogstatsdGRPC`), as URLs:
    `tcp://127.0.0.1:8181`; `tls://`, and `tcp://` once `tls_certificate` is set, with TLS."""

    origin_tags: Annotated[tuple[Origin, ...], BeforeValidator(as_tuple)] = ()
    """Tags that metrics, events and service checks get of where they come from: `container_id` (the
    field `c:`, else that of the process at the other end of a Unix socket), `container_name` and
    `pod_uid` (`e:`), `cardinality` (`card:`), `pid` and `uid` (of Unix sockets)."""

    interval: Duration = 10.0
    """The flush period. Intervals are aligned with the clock: 10s ends at :00, :10, :20."""
    hostname: Annotated[str, AfterValidator(check_plain)] = ""
    """The host of every point. Empty: the name of the operating system."""
    omit_empty_hostname: bool = False
    """With an empty `hostname`, points have no host instead of the operating system's name."""
    extend_tags: Annotated[tuple[Tag, ...], BeforeValidator(as_tuple)] = ()
    """Tags given to everything received. One replaces a sent tag of equal key. Empty ones are
    ignored."""
    filters: Annotated[tuple[FilterEntry, ...], BeforeValidator(as_tuple)] = ()
    """Which names are dropped or renamed, and which tags are stripped from them or added, before
    `name_mapping`."""
    name_mapping: Annotated[str, AfterValidator(check_plain)] = ""
    """A file of rules that turn dotted names into names and tags, as Prometheus' statsd_exporter
    has them; a relative path begins at the folder of the configuration. Empty: names stay as they
    are."""
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
    """Memory for everything that is aggregated: the open interval, the one that is being flushed,
    what the flush takes and what sinks have not taken yet. New series beyond it are folded into one
    of their name, or rejected and counted."""
    max_series_per_name: Annotated[int, Field(ge=0, le=1 << 31)] = 100_000
    """How many series one metric name may have in an interval, at each reader. 0: no bound."""
    max_values_per_tag: Annotated[int, Field(ge=0, le=1 << 31)] = 0
    """How many values one tag key of one name may have in an interval, at each reader. 0: no
    bound."""
    max_series_per_client: Annotated[int, Field(ge=0, le=1 << 31)] = 0
    """How many series one client (an IP address, or a local process) may be the first to send in an
    interval, at each reader. 0: no bound."""
    on_overflow: Overflow = "fold"
    """What becomes of a new series beyond that. `fold`: its values go to the series of its name
    tagged `veneurpy.folded:true`. `drop_tag`: it loses the tag that has the most values. `reject`:
    its values are rejected. Gauges are always rejected."""
    budgets: Annotated[tuple[BudgetEntry, ...], BeforeValidator(as_tuple)] = ()
    """Other bounds for the names that begin with a prefix; the first that fits is the name's."""
    side_log_max_bytes: Annotated[Size, Field(ge=1 * KIB, le=1 << 30)] = 4 * MIB
    """Memory for the events and service checks that each reader keeps in one interval, and once
    more for changes of gauges (`dialect: statsd`)."""

    capture_bytes: Annotated[Size, Field(ge=0, le=1 << 40)] = 8 * MIB
    """What is kept of the traffic that came last, for `veneurpy capture`; the readers share it. At
    most an eighth of `store_max_bytes`, of which it is a part. 0: nothing is kept."""

    metric_sinks: Annotated[tuple[SinkEntry, ...], BeforeValidator(as_tuple)] = ()
    """Where points go. Every sink gets every point, but for those tagged
    `veneursinkonly:<name>`."""
    sink_queue_batches: Annotated[int, Field(ge=1, le=64)] = 4
    """Intervals that wait for a slow sink. Beyond it the oldest is dropped, counted and logged."""
    flush_timeout: OptionalDuration = None
    """How long a sink may take for one interval. Empty: as long as the interval."""

    node_name: NodeName = ""
    """What this node is called by other nodes: a member of a ring has the name that it has there.
    Empty: `hostname`, or the operating system's name."""
    forward_address: Address = ""
    """Where what concerns several hosts goes, as `host:port`: percentiles of histograms and timers,
    sets, and all of global scope. An owner, or a proxy before some. Empty: this node publishes
    everything itself, if there is no `forward`."""
    forward: Ring | None = None
    """The same for several owners, each with a share of the series: `members` and so on."""
    forward_peer: Literal["auto", "veneurpy", "veneur"] = "auto"
    """What is there. `auto`: whoever does not know veneurpy's service is sent to as a Veneur."""
    forward_on_doubt: Literal["drop", "resend"] = "drop"
    """What becomes of a batch that a Veneur may have taken, as it does not say: `drop` counts it as
    in doubt, `resend` may count it twice."""
    tls: ClientFiles | None = None
    """TLS where this node forwards: `ca_file`, `cert_file`, `key_file`, `server_name`. Empty: in
    the clear."""
    forward_timeout: Duration = 10.0
    """How long one call may take."""
    forward_max_age: Duration = 6 * 3600.0
    """How long a batch waits for its owner, at most `accept_window`, or the window of the owners of
    `chain`; an older one is given up."""
    forward_max_bytes: Annotated[Size, Field(ge=1 * MIB, le=1 << 44)] = 1 << 30
    """How much waiting batches may take. Beyond it the oldest are given up."""

    grpc_address: GrpcAddress = None
    """Where to receive what other nodes forward, as `host:port`. With sinks this node is an owner;
    without them and with `forward` it is a proxy. Empty: nowhere."""
    grpc_tls: ServerFiles | None = None
    """TLS where this node receives: `certificate`, `key`, `authority`. Empty: in the clear, from
    everyone who can reach it."""
    chain: Ring | None = None
    """The owners of a next tier, `members` and so on as in `forward`: what this node merges of an
    interval is passed on to them instead of being published here. It needs `state_dir`. Empty: this
    node publishes it."""
    global_hold: OptionalDuration = None
    """How long an owner waits for batches of an interval that has ended before it publishes it, at
    most three intervals. Empty: half an interval, but at least 2s."""
    late_max_bytes: Annotated[Size, Field(ge=0, le=1 << 44)] = 256 * MIB
    """How much an owner keeps of what it has published, so that what comes late (within
    `late_window`) can amend it."""
    import_max_bytes: Annotated[Size, Field(ge=16 * MIB, le=1 << 44)] = 1 << 30
    """Memory for what other nodes forward. Beyond it they have to wait."""

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
    """A directory on tmpfs for the open interval, and for closed ones while the disk of
    `state_dir` takes nothing. It goes with `state_dir`; both belong to one daemon."""
    spool_max_bytes: Annotated[Size, Field(ge=1 * MIB, le=1 << 44)] = 1 << 30
    """How much the closed intervals may take in `state_dir`. Beyond it the oldest are given up."""
    accept_window: Duration = 6 * 3600.0
    """How long a closed interval waits for a sink; an older one is given up. And how old an
    interval may be of which an owner takes something that it has not published yet."""

    shutdown: Literal["auto", "flush", "handover"] = "auto"
    """What happens at SIGTERM and SIGINT. `flush`: read what the kernel had queued, flush
    everything, exit. `handover`: leave the open interval, and the sockets if systemd keeps them, to
    the next process. `auto`: `handover` with `state_dir`, `flush` without."""
    shutdown_timeout: Duration = 10.0
    """How long that may take; what is left then is named in the log."""

    @field_validator("interval", "shutdown_timeout", "flush_timeout", "forward_timeout")
    @classmethod
    def _long_enough(cls, value: float | None) -> float | None:
        if value is not None and value < 0.01:
            raise Wrong("expected a duration of at least 10ms")
        return value

    @field_validator(
        "statsd_listen_addresses",
        "grpc_listen_addresses",
        "origin_tags",
        "percentiles",
        "aggregates",
    )
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
    def listen_urls(self) -> tuple[ListenUrl, ...]:
        """Where StatsD is received, but for gRPC; HTTP once, however it is asked for."""
        urls, by_http = self.statsd_listen_addresses, ListenUrl("http")
        return (*urls, by_http) if self.http_statsd and by_http not in urls else urls

    @property
    def forwards(self) -> bool:
        """Whether this node has owners to forward to."""
        return bool(self.forward_address) or self.forward is not None

    @property
    def owns(self) -> bool:
        """Whether this node merges what others forward. A proxy passes it on as it is."""
        is_proxy = self.forwards and not self.metric_sinks and self.chain is None
        return self.grpc_address is not None and not is_proxy

    @property
    def global_hold_s(self) -> float:
        """How long an owner waits after the end of an interval."""
        return max(2.0, self.interval / 2) if self.global_hold is None else self.global_hold

    @property
    def hands_over(self) -> bool:
        """Whether a shutdown leaves the open interval to the next process."""
        return self.shutdown == "handover" or (self.shutdown == "auto" and bool(self.state_dir))

    @property
    def flush_timeout_s(self) -> float:
        """How long a sink may take for one interval."""
        return self.interval if self.flush_timeout is None else self.flush_timeout
