"""One way into the Python engine: datagrams, lines, samples."""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from itertools import zip_longest
from threading import Lock

from veneurpy.engine import side_lines
from veneurpy.engine.grammar import DOGSTATSD, Grammar
from veneurpy.engine.reference_budget import Placer
from veneurpy.engine.reference_clients import Look, client_of
from veneurpy.engine.reference_gauge import Gauge
from veneurpy.engine.reference_origin import (
    Processes,
    claims_of,
    name_of,
    with_origin,
)
from veneurpy.engine.reference_parser import LineParser, MetricLine
from veneurpy.engine.reference_ring import Ring
from veneurpy.engine.reference_store import (
    Counter,
    Histogram,
    MemberSet,
    Series,
    SeriesKey,
    Store,
)
from veneurpy.engine.types import (
    Accounts,
    Bytes,
    Captured,
    EngineOptions,
    MetricType,
    Process,
    Scope,
)

_TIMESTAMPED = frozenset({MetricType.COUNTER, MetricType.GAUGE})
_NS_PER_MS = 1_000_000


class ReferenceReader:
    """Splits datagrams into lines and puts them into its store; a `veneurpy.engine.Reader`.

    A lock is held per datagram, so that any thread may feed and another one rotate.
    """

    def __init__(
        self,
        listener: str,
        store: Store,
        options: EngineOptions,
        kernel_drops: Callable[[], int] | None = None,
        max_datagram_bytes: int = 0,
        grammar: Grammar = DOGSTATSD,
    ) -> None:
        self._max_bytes = max_datagram_bytes or options.max_datagram_bytes
        self._kernel_drops = kernel_drops
        self._listener = listener
        self._store = store
        self._options = options
        self._placer = self._new_placer()
        self.grammar = grammar
        self._parser = LineParser(grammar)
        self._processes = Processes(options.proc_dir)
        self._ring = Ring(options.capture_bytes)
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"<ReferenceReader {self._listener} {self._store.accounts}>"

    @property
    def listener(self) -> str:
        return self._listener

    def feed(
        self,
        datagram: Bytes,
        *,
        truncated: bool = False,
        now_ns: int | None = None,
        client: str | None = None,
        process: Process | None = None,
    ) -> None:
        if now_ns is None:
            now_ns = time.time_ns()
        taken = bytes(datagram[: self._max_bytes])
        lines = taken.split(b"\n")
        cut = truncated or len(taken) < len(datagram)
        if cut:
            del lines[-1]
        with self._lock:
            self._ring.take(taken[: taken.rfind(b"\n") + 1] if cut else taken, now_ns)
            accounts = self._store.accounts
            container = self._processes.container(process, now_ns)
            name = self._name_of(taken, client, container, process)
            count = client_of(self._store, name) if name else None
            before = Look.at(accounts) if count is not None else None
            self._placer.client = count
            accounts.datagrams += 1
            accounts.bytes += len(taken)
            accounts.truncated += cut
            accounts.whole += not cut
            wanted = self._options.origin_tags
            for line in lines:
                text = line.removesuffix(b"\r")
                if wanted:
                    text = with_origin(
                        text, wanted, container, process, has_name_tags=bool(self.grammar.name_tags)
                    )
                self._take(text, now_ns)
            if count is not None and before is not None:
                count.settle(before, Look.at(accounts))

    def discard_line(self) -> None:
        with self._lock:
            self._store.accounts.lines += 1
            self._store.accounts.rejected["too_long"] += 1

    def captured(self, mark: int | None = None) -> Captured:
        with self._lock:
            return self._ring.read(mark)

    def stop(self, timeout_s: float) -> int:
        return 0

    def leave(self) -> None:
        pass

    def swap(self, store: Store) -> Store:
        """Puts an empty store in the place of the one it hands out, between two datagrams."""
        with self._lock:
            closed, self._store = self._store, store
            self._placer = self._new_placer()
        if self._kernel_drops is not None:
            closed.accounts.kernel_drops += self._kernel_drops()
        closed.accounts.aggregated = closed.aggregated()
        closed.accounts.filtered = closed.filtered()
        return closed

    def glance(self) -> Accounts:
        """A copy of the open accounts."""
        with self._lock:
            accounts = deepcopy(self._store.accounts)
            accounts.aggregated = self._store.aggregated()
        return accounts

    def _name_of(
        self, taken: bytes, client: str | None, container: bytes, process: Process | None
    ) -> str:
        """Whose account it is for. A bound does not go by what a client claims."""
        if not client and process is None:
            return ""
        if not self._options.max_series_per_client:
            first = taken.partition(b"\n")[0].removesuffix(b"\r")
            container = claims_of(first).container or container
        return name_of(container, process) or client or ""

    def _new_placer(self) -> Placer:
        most = self._options.max_series_per_client
        return Placer(self._store, self._options.budgets, max_series_per_client=most)

    def _take(self, line: bytes, now_ns: int) -> None:
        if not line:
            return
        accounts = self._store.accounts
        accounts.lines += 1
        if line.startswith(side_lines.PREFIXES):
            if self._store.keep_line(line):
                accounts.pending += 1
            else:
                accounts.rejected["side_log_full"] += 1
            return
        metric = self._parser.parse(line)
        if isinstance(metric, str):
            accounts.rejected[metric] += 1
            return
        accounts.accepted += 1
        self._account(metric)
        self._aggregate(metric, now_ns)

    def _account(self, metric: MetricLine) -> None:
        accounts = self._store.accounts
        accounts.values += _samples(metric) + metric.bad_values
        accounts.values_rejected["bad_value"] += metric.bad_values
        accounts.ignored["unknown_field"] += metric.unknown_fields
        accounts.ignored["scope_conflict"] += metric.tags.scope_conflict
        accounts.ignored["bad_name_tag"] += metric.bad_name_tags

    def _aggregate(self, metric: MetricLine, now_ns: int) -> None:
        store = self._store
        timestamp_s = self._own_time(metric, now_ns)
        tags = metric.tags
        key = SeriesKey(metric.name, tags.tags, metric.type, tags.scope, tags.sinks, timestamp_s)
        place = self._placer.place(key, metric.spelling, _samples(metric))
        if place.series is None:
            store.accounts.values_rejected[place.reason] += _samples(metric)
            return
        store.accounts.folded += _samples(metric) * place.is_folded
        self._apply(place.series, metric, now_ns)

    def _apply(self, series: Series, metric: MetricLine, now_ns: int) -> None:
        match series:
            case Counter():
                for value in metric.values:
                    series.add(value / metric.rate)
            case Gauge():
                self._apply_gauge(series, metric, now_ns)
            case MemberSet():
                series.add(metric.member)
            case Histogram():
                for value in metric.values:
                    series.add(value, 1 / metric.rate)
                self._store.grow(len(metric.values))

    def _apply_gauge(self, gauge: Gauge, metric: MetricLine, now_ns: int) -> None:
        for value, is_change in zip_longest(metric.values, metric.changes, fillvalue=False):
            if not is_change:
                self._store.write_gauge(gauge, value, now_ns)
            elif reason := self._store.change_gauge(gauge, value, now_ns):
                self._store.accounts.values_rejected[reason] += 1

    def _own_time(self, metric: MetricLine, now_ns: int) -> int | None:
        """The second that the sample belongs to, None for the open interval."""
        timestamp_s = metric.timestamp_s
        if timestamp_s is None:
            return None
        if self._may_keep(metric, timestamp_s, now_ns // _NS_PER_MS):
            return timestamp_s
        self._store.accounts.ignored["bad_timestamp"] += 1
        return None

    def _may_keep(self, metric: MetricLine, timestamp_s: int, now_ms: int) -> bool:
        if metric.type not in _TIMESTAMPED or metric.tags.scope is Scope.GLOBAL or timestamp_s < 1:
            return False
        earliest_ms = now_ms - int(1000 * self._options.late_window_s)
        latest_ms = now_ms + int(1000 * self._options.interval_s)
        if any(metric.changes):
            return False
        in_time = earliest_ms <= 1000 * timestamp_s <= latest_ms
        return in_time and self._store.keep_timestamp(timestamp_s)


def _samples(metric: MetricLine) -> int:
    return 1 if metric.type is MetricType.SET else len(metric.values)
