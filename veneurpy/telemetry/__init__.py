"""What veneurpy says about itself: self-metrics on a registry of its own, and log lines.

Nothing here is per packet, and nothing that a client can trigger floods the log. Used on the event
loop only.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Literal, NamedTuple, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from veneurpy.ports import Clock
from veneurpy.telemetry.events import Event
from veneurpy.telemetry.metrics import (
    LOGS_SUPPRESSED,
    METRICS,
    SECONDS,
    Metric,
    describe,
)

__all__ = ["LEVELS", "Logger", "Metric", "Sample", "Telemetry", "describe"]


class Logger(Protocol):
    """What a structlog logger offers and is used of it."""

    def log(self, level: int, event: str, **kwargs: Any) -> Any: ...


class Sample(NamedTuple):
    """What one series stands at."""

    name: str
    kind: Literal["counter", "gauge"]
    labels: dict[str, str]
    value: float


LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


class Telemetry:
    """Counts and logs. One per process (per Server, to be exact)."""

    def __init__(self, logger: Logger, clock: Clock) -> None:
        self._logger = logger
        self._clock = clock
        self._numbers = _Numbers()
        self._logged: dict[tuple[str, str], float] = {}
        self._withheld: dict[tuple[str, str], int] = {}
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self._numbers)
        ProcessCollector(registry=self._registry)

    def emit(self, event: Event) -> None:
        """Counts the event, and logs it unless its like was logged within its `every_s`."""
        for metric, amount, labels in event.counts():
            self.add(metric, amount, **labels)
        name, now_s = _snake(type(event).__name__), self._clock.monotonic()
        key = (name, event.about)
        if event.every_s and now_s - self._logged.get(key, float("-inf")) < event.every_s:
            self._withheld[key] = self._withheld.get(key, 0) + 1
            self.add(LOGS_SUPPRESSED, 1, event=name)
            return
        details = {f.name: getattr(event, f.name) for f in fields(event)}  # type: ignore[arg-type]
        if mend := getattr(event, "mend", None):
            details["mend"] = mend
        if event.every_s:
            self._logged[key] = now_s
        if withheld := self._withheld.pop(key, 0):
            details["withheld_since"] = withheld
        self._logger.log(LEVELS[event.level], name, **details)

    def add(self, metric: Metric, amount: float, **labels: str) -> None:
        """Adds to a counter."""
        series = self._numbers.plain[metric]
        key = _key(metric, labels)
        series[key] = series.get(key, 0) + amount

    def set(self, metric: Metric, value: float, **labels: str) -> None:
        """Sets a gauge."""
        self._numbers.plain[metric][_key(metric, labels)] = value

    def observe(self, metric: Metric, seconds: float, **labels: str) -> None:
        """Adds an observation to a histogram."""
        series = self._numbers.histograms[metric]
        key = _key(metric, labels)
        if key not in series:
            series[key] = _Histogram()
        series[key].observe(seconds)

    def value(self, metric: Metric, **labels: str) -> float:
        """What a counter or gauge stands at."""
        return self._numbers.plain[metric].get(_key(metric, labels), 0)

    def samples(self) -> Iterator[Sample]:
        """Everything but the process's, a histogram as two counters: its `_count` and `_sum`."""
        for metric, series in self._numbers.plain.items():
            kind: Literal["counter", "gauge"] = "counter" if metric.kind == "counter" else "gauge"
            for key, value in series.items():
                yield Sample(metric.name, kind, _labels(metric, key), value)
        for metric, histograms in self._numbers.histograms.items():
            for key, histogram in histograms.items():
                labels = _labels(metric, key)
                yield Sample(f"{metric.name}_count", "counter", labels, sum(histogram.counts))
                yield Sample(f"{metric.name}_sum", "counter", labels, histogram.sum)

    def exposition(self) -> bytes:
        """Everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _Histogram:
    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)
        self.sum = 0.0

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    def buckets(self) -> list[tuple[str, float]]:
        total, out = 0, []
        for bound, count in zip([*map(str, SECONDS), "+Inf"], self.counts, strict=True):
            total += count
            out.append((bound, float(total)))
        return out


class _Numbers(Collector):
    """The state behind the registry. prometheus_client's own counters add a `_created` to each."""

    def __init__(self) -> None:
        plain = [metric for metric in METRICS if metric.kind != "histogram"]
        self.plain: dict[Metric, dict[tuple[str, ...], float]] = {m: {} for m in plain}
        self.histograms: dict[Metric, dict[tuple[str, ...], _Histogram]] = {
            metric: {} for metric in METRICS if metric.kind == "histogram"
        }

    def collect(self) -> Iterator[Family]:
        for metric, series in self.plain.items():
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            family = kind(metric.name, metric.help, labels=metric.labels)
            for key, value in series.items() or ([((), 0.0)] if not metric.labels else []):
                family.add_metric(key, value)
            yield family
        for metric, histograms in self.histograms.items():
            shown = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for key, histogram in histograms.items():
                shown.add_metric(key, histogram.buckets(), histogram.sum)
            yield shown


def _key(metric: Metric, labels: dict[str, str]) -> tuple[str, ...]:
    if len(labels) != len(metric.labels):
        raise KeyError(f"{metric.name} has the labels {metric.labels}, not {tuple(labels)}")
    return tuple(labels[name] for name in metric.labels)


def _labels(metric: Metric, key: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(metric.labels, key, strict=True))


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
