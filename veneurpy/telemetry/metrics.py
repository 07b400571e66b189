"""Every number that veneurpy publishes about itself: the one table of names, types and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the buckets of every histogram; the 20 ms are what the event loop may be late."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of self-metrics."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


_BY_LISTENER = ("listener",)
_BY_SINK = ("sink",)

BUILD_INFO = Metric("veneurpy_build_info", "gauge", "Always 1.", ("version", "engine", "python"))
UPTIME = Metric("veneurpy_uptime_seconds", "gauge", "Since the start.")

DATAGRAMS = Metric("veneurpy_datagrams_total", "counter", "Datagrams read.", _BY_LISTENER)
BYTES = Metric("veneurpy_bytes_total", "counter", "Bytes of datagrams read.", _BY_LISTENER)
TRUNCATED = Metric(
    "veneurpy_truncated_total",
    "counter",
    "Datagrams longer than metric_max_length: their complete lines counted, the rest did not.",
    _BY_LISTENER,
)
KERNEL_DROPS = Metric(
    "veneurpy_kernel_drops_total",
    "counter",
    "Datagrams that the kernel discarded: the socket's receive buffer was full, or it was closing.",
    _BY_LISTENER,
)
LINES = Metric("veneurpy_lines_total", "counter", "Lines read.", _BY_LISTENER)
LINES_ACCEPTED = Metric(
    "veneurpy_lines_accepted_total", "counter", "Lines understood.", _BY_LISTENER
)
LINES_REJECTED = Metric(
    "veneurpy_lines_rejected_total",
    "counter",
    "Lines rejected, by the first reason found.",
    ("listener", "reason"),
)
VALUES_AGGREGATED = Metric(
    "veneurpy_values_aggregated_total",
    "counter",
    "Values that went into a series, by its type.",
    ("listener", "type"),
)
VALUES_FILTERED = Metric(
    "veneurpy_values_filtered_total",
    "counter",
    "Values of series that a rule dropped.",
    _BY_LISTENER,
)
VALUES_REJECTED = Metric(
    "veneurpy_values_rejected_total",
    "counter",
    "Values rejected in accepted lines.",
    ("listener", "reason"),
)
FIELDS_IGNORED = Metric(
    "veneurpy_fields_ignored_total",
    "counter",
    "Fields of accepted lines that were passed over, the sample kept.",
    ("listener", "reason"),
)
RECEIVE_BUFFER = Metric(
    "veneurpy_receive_buffer_bytes",
    "gauge",
    "Receive buffer that the kernel granted to each socket.",
    _BY_LISTENER,
)
LOST_IN_CRASH = Metric(
    "veneurpy_lost_in_crash_total",
    "counter",
    "Datagrams that a process before this one had taken and not yet applied when it died.",
    _BY_LISTENER,
)
CAPTURED = Metric(
    "veneurpy_captured_datagrams_total", "counter", "Datagrams that captures have fetched."
)
CAPTURE_MISSED = Metric(
    "veneurpy_capture_missed_bytes_total",
    "counter",
    "Bytes that were overwritten before a capture under way could fetch them.",
)
UNREAD = Metric(
    "veneurpy_unread_bytes_total",
    "counter",
    "Bytes left unread in the kernel when the time to shut down had run out.",
    _BY_LISTENER,
)

STREAM_CONNECTS = Metric(
    "veneurpy_stream_connects_total", "counter", "Connections taken.", _BY_LISTENER
)
STREAM_CONNECTIONS = Metric(
    "veneurpy_stream_connections", "gauge", "Connections that are open.", _BY_LISTENER
)
STREAM_CLOSED = Metric(
    "veneurpy_stream_closed_total",
    "counter",
    "Connections that ended, and why; those that were refused too.",
    ("listener", "reason"),
)
STREAM_HELD = Metric(
    "veneurpy_stream_held_bytes",
    "gauge",
    "Bytes of lines that have not ended yet, of all connections.",
    _BY_LISTENER,
)
STREAM_UNFINISHED = Metric(
    "veneurpy_stream_unfinished_total",
    "counter",
    "Connections that ended within a line or frame, which is lost.",
    _BY_LISTENER,
)
ACCEPT_ERRORS = Metric(
    "veneurpy_accept_errors_total",
    "counter",
    "Failures of the kernel to hand out a connection: for want of descriptors, say.",
    _BY_LISTENER,
)

INTERVALS = Metric("veneurpy_intervals_total", "counter", "Intervals closed.")
TICKS_MISSED = Metric(
    "veneurpy_ticks_missed_total",
    "counter",
    "Flushes skipped because the node was suspended or stalled when they were due.",
)
CLOCK_AHEAD = Metric(
    "veneurpy_clock_ahead_seconds",
    "gauge",
    "How far the points' time is ahead of a wall clock that was set back.",
)
CLOSE_SECONDS = Metric(
    "veneurpy_close_seconds", "histogram", "Closing, merging and summarising an interval."
)
SERIES = Metric("veneurpy_series", "gauge", "Distinct series of the last interval.")
POINTS = Metric("veneurpy_points_total", "counter", "Points made of the series.")
POINTS_UNROUTED = Metric(
    "veneurpy_points_unrouted_total",
    "counter",
    "Points that veneursinkonly keeps from every sink there is.",
)
EVENTS = Metric("veneurpy_events_total", "counter", "Events accepted.")
CHECKS = Metric("veneurpy_checks_total", "counter", "Service checks accepted.")
TYPE_CONFLICTS = Metric(
    "veneurpy_type_conflicts_total",
    "counter",
    "Names that came as more than one of counter, gauge and set, per interval.",
)
RECOVERED_INTERVALS = Metric(
    "veneurpy_recovered_intervals_total",
    "counter",
    "Intervals that a process before this one had left open or undelivered to the spool.",
)
RECOVERED_SAMPLES = Metric(
    "veneurpy_recovered_samples_total", "counter", "Values in the recovered intervals."
)
SPOOL_INTERVALS = Metric(
    "veneurpy_spool_intervals", "gauge", "Closed intervals on disk that a sink does not have yet."
)
SPOOL_BYTES = Metric("veneurpy_spool_bytes", "gauge", "What they take.")
SPOOL_SPARE_BYTES = Metric(
    "veneurpy_spool_spare_bytes",
    "gauge",
    "Closed intervals and batches in `arena_dir` that wait until the spool's disk takes them.",
)
SPOOL_FAILURES = Metric(
    "veneurpy_spool_failures_total",
    "counter",
    "Failures of the spool's disk: what it does not take waits in `arena_dir`, or else in memory.",
    ("what",),
)
INTERVALS_UNSPOOLED = Metric(
    "veneurpy_intervals_unspooled_total",
    "counter",
    "Intervals that neither the spool's disk nor `arena_dir` took, or not within 5 s: they are "
    "delivered from memory.",
)
VALUES_FOLDED = Metric(
    "veneurpy_values_folded_total",
    "counter",
    "Values that went into a series of fewer tags, for want of room for their own.",
    _BY_LISTENER,
)
NAMES_OVER_BUDGET = Metric(
    "veneurpy_names_over_budget_total",
    "counter",
    "Names that had more series or tag values than they may, per interval.",
)
CLIENTS_OVER_BUDGET = Metric(
    "veneurpy_clients_over_budget_total",
    "counter",
    "Clients that began more series than they may, per interval.",
)
STORE_BYTES = Metric(
    "veneurpy_store_bytes",
    "gauge",
    "Memory for what is aggregated: of arenas, and of flush (merging, points that sinks have not "
    "taken yet).",
    ("part",),
)
STORE_PEAK_BYTES = Metric(
    "veneurpy_store_peak_bytes", "gauge", "The most that it has been in total since the start."
)
STORE_MAX_BYTES = Metric(
    "veneurpy_store_max_bytes", "gauge", "What it is bounded by: store_max_bytes."
)
LATE_AMENDED = Metric(
    "veneurpy_late_amended_total",
    "counter",
    "Points with a time of their own that were published again, with a higher revision.",
)
LATE_FORGOTTEN = Metric(
    "veneurpy_late_forgotten_total",
    "counter",
    "Points with a time of their own that are no longer remembered for want of room.",
)
GAUGES_FORGOTTEN = Metric(
    "veneurpy_gauges_forgotten_total",
    "counter",
    "Gauges that were to be flushed again (`gauge_ttl`) and found no room.",
)

_BY_OWNER = ("owner",)

_BY_OUTBOX = ("outbox", "owner")

BATCHES_ENCODED = Metric(
    "veneurpy_batches_encoded_total",
    "counter",
    "Batches made for other nodes or for this one: "
    "of its own intervals (`forward`), or of what it has sealed and passes on (`chain`).",
    ("outbox",),
)
BATCHES_FORWARDED = Metric(
    "veneurpy_batches_forwarded_total",
    "counter",
    "Batches by their fate: done, rejected, given_up or in_doubt.",
    (*_BY_OUTBOX, "fate"),
)
BATCHES_PENDING = Metric(
    "veneurpy_batches_pending", "gauge", "Batches that their owner has not sealed yet.", _BY_OUTBOX
)
OUTBOX_BYTES = Metric("veneurpy_outbox_bytes", "gauge", "What they take.", _BY_OUTBOX)
PEER_FAILURES = Metric(
    "veneurpy_peer_failures_total", "counter", "Calls of an owner without an answer.", _BY_OWNER
)
BATCHES_ANSWERED = Metric(
    "veneurpy_batches_answered_total",
    "counter",
    "Batches that came, by the answer: done, held, busy, too_old, rejected or refused.",
    ("answer",),
)
VENEUR_METRICS = Metric(
    "veneurpy_veneur_metrics_total",
    "counter",
    "Metrics that Veneurs sent: taken, or why not.",
    ("fate",),
)
LATENESS_SECONDS = Metric(
    "veneurpy_lateness_seconds",
    "histogram",
    "From the end of an interval until a batch of it came.",
)
OPEN_INTERVALS = Metric("veneurpy_open_intervals", "gauge", "Imported intervals not sealed yet.")
LATE_INTERVALS = Metric(
    "veneurpy_late_intervals", "gauge", "Sealed intervals of which more has come."
)
HOSTS_IN = Metric("veneurpy_hosts_in", "gauge", "Senders in the interval that was sealed last.")
HOSTS_KNOWN = Metric("veneurpy_hosts_known", "gauge", "Senders in the last ten sealed intervals.")
SEALS = Metric("veneurpy_seals_total", "counter", "Intervals sealed, and amended.", ("kind",))
SEALED_POINTS = Metric("veneurpy_sealed_points_total", "counter", "Points in them.")
SEAL_FAILURES = Metric(
    "veneurpy_seal_failures_total", "counter", "Seals that the disk would not take."
)
IMPORT_BYTES = Metric("veneurpy_import_memory_bytes", "gauge", "Memory of open and late intervals.")

SINK_ROWS = Metric(
    "veneurpy_sink_rows_total", "counter", "Points by their fate.", ("sink", "fate", "reason")
)
SINK_OTHERS = Metric(
    "veneurpy_sink_events_total",
    "counter",
    "Events and service checks by their fate.",
    ("sink", "fate", "reason"),
)
SINK_PENDING = Metric(
    "veneurpy_sink_pending_rows", "gauge", "Points that wait or are under way.", _BY_SINK
)
SINK_QUEUE = Metric("veneurpy_sink_queue_batches", "gauge", "Flushes that wait.", _BY_SINK)
SINK_SECONDS = Metric("veneurpy_sink_flush_seconds", "histogram", "One call of a sink.", _BY_SINK)
SINK_FAILURES = Metric(
    "veneurpy_sink_failures_total",
    "counter",
    "Calls of a sink that failed: retriable, final, timeout or bug.",
    ("sink", "kind"),
)

LOOP_LAG = Metric("veneurpy_event_loop_lag_seconds", "histogram", "How late the event loop is.")
LOOP_LAG_MAX = Metric(
    "veneurpy_event_loop_lag_max_seconds", "gauge", "The longest that the event loop has been late."
)
LEDGER_VIOLATIONS = Metric(
    "veneurpy_ledger_violations_total",
    "counter",
    "Equations of the ledger that did not hold: each is a bug of veneurpy.",
    ("equation",),
)
HTTP_MALFORMED = Metric(
    "veneurpy_http_malformed_total", "counter", "Requests to http_address that were not HTTP/1."
)
INTERNAL_ERRORS = Metric(
    "veneurpy_internal_errors_total", "counter", "Tasks of veneurpy that crashed.", ("task",)
)
LOGS_SUPPRESSED = Metric(
    "veneurpy_logs_suppressed_total",
    "counter",
    "Log lines withheld because the same event was logged just before.",
    ("event",),
)

STATS_ERRORS = Metric(
    "veneurpy_stats_errors_total",
    "counter",
    "Failures to send these numbers to stats_address, or to look up its name.",
)

SENDERS_REFUSED = Metric(
    "veneurpy_senders_refused_total",
    "counter",
    "Connections and calls of other nodes that were refused, by the limit or rule they broke.",
    ("reason",),
)
RING_CHANGES_REFUSED = Metric(
    "veneurpy_ring_changes_refused_total",
    "counter",
    "Calls to change the ring that were refused: their certificate is not in ring_admins.",
)
SENDERS_FORGED = Metric(
    "veneurpy_senders_forged_total",
    "counter",
    "Batches refused because they name another sender than the certificate they came with.",
    ("certificate", "sender"),
)
CERTIFICATES_UNUSABLE = Metric(
    "veneurpy_certificates_unusable_total",
    "counter",
    "Times that changed certificate files could not be used, so that the ones before stay in use, "
    "or that a listener's certificate was found out of date.",
)
DISCOVERY_FAILURES = Metric(
    "veneurpy_discovery_failures_total",
    "counter",
    "Look-ups of members' addresses that failed or found none: those known before stay in use.",
    ("kind", "reason"),
)

METRICS = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
"""All of them, in the order above."""


def describe() -> list[tuple[str, str, tuple[str, ...], str]]:
    """(name, type, labels, help) of every self-metric: what the documentation lists."""
    return [(metric.name, metric.kind, metric.labels, metric.help) for metric in METRICS]
