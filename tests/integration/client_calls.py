"""Every call of the official clients, and what must come of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from datadog.dogstatsd.base import DogStatsd

T = int(time.time()) - 60
AGGREGATES = ["min", "max", "median", "avg", "count", "sum", "hmean"]

Points = dict[str, tuple[str, float]]
"""What a call makes: type and value by what follows the name of the series ("" or ".max")."""


def distribution(*values: float, weight: float = 1) -> Points:
    """The points of a histogram or timer of these values, each sent with a rate of 1/weight."""
    ordered, total = sorted(values), sum(values)
    assert len(values) <= 2  # so that no quantile needs more than a mean
    return {
        ".min": ("gauge", ordered[0]),
        ".max": ("gauge", ordered[-1]),
        ".median": ("gauge", total / len(values)),
        ".avg": ("gauge", total / len(values)),
        ".count": ("counter", len(values) * weight),
        ".sum": ("gauge", total * weight),
        ".hmean": ("gauge", len(values) / sum(1 / value for value in values)),
    }


class Call(NamedTuple):
    """Calls on a client, and what must come out under `name` with `tags`."""

    name: str
    send: Callable[[Any], object]
    points: Points
    tags: tuple[str, ...] = ()
    timestamp: float | None = None


DATADOG = [
    Call("inc", lambda c: c.increment("inc"), {"": ("counter", 1)}),
    Call("inc.by", lambda c: c.increment("inc.by", 2.5), {"": ("counter", 2.5)}),
    Call(
        "inc.tags",
        lambda c: c.increment("inc.tags", tags=["b", "a:1"]),
        {"": ("counter", 1)},
        tags=("a:1", "b"),
    ),
    Call("inc.rate", lambda c: c.increment("inc.rate", 3, sample_rate=0.5), {"": ("counter", 6)}),
    Call("dec", lambda c: c.decrement("dec", 4), {"": ("counter", -4)}),
    Call("count", lambda c: [c.count("count", 1), c.count("count", 5)], {"": ("counter", 6)}),
    Call(
        "count.at",
        lambda c: [c.count_with_timestamp("count.at", value, T) for value in (2, 3)],
        {"": ("counter", 5)},
        timestamp=T,
    ),
    Call("gauge", lambda c: [c.gauge("gauge", 7), c.gauge("gauge", -2.5)], {"": ("gauge", -2.5)}),
    Call(
        "gauge.at",
        lambda c: [c.gauge_with_timestamp("gauge.at", value, T) for value in (2, 3)],
        {"": ("gauge", 3)},
        timestamp=T,
    ),
    Call("set", lambda c: [c.set("set", member) for member in ("u", "v", "u")], {"": ("gauge", 2)}),
    Call(
        "histogram",
        lambda c: [c.histogram("histogram", value) for value in (4, 12)],
        distribution(4, 12),
    ),
    Call(
        "histogram.rate",
        lambda c: c.histogram("histogram.rate", 5, sample_rate=0.25),
        distribution(5, weight=4),
    ),
    Call(
        "distribution",
        lambda c: c.distribution("distribution", 0.5, tags=["x"]),
        distribution(0.5),
        tags=("x",),
    ),
    Call(
        "timing", lambda c: [c.timing("timing", value) for value in (10, 30)], distribution(10, 30)
    ),
]

STATSD = [
    Call("incr", lambda c: [c.incr("incr"), c.incr("incr", 4)], {"": ("counter", 5)}),
    Call("incr.rate", lambda c: c.incr("incr.rate", rate=0.1), {"": ("counter", 10)}),
    Call("decr", lambda c: [c.decr("decr"), c.decr("decr", 4)], {"": ("counter", -5)}),
    Call("gauge", lambda c: [c.gauge("gauge", 7), c.gauge("gauge", 8)], {"": ("gauge", 8)}),
    Call("gauge.negative", lambda c: c.gauge("gauge.negative", -7), {"": ("gauge", -7)}),
    Call(
        # In DogStatsD a sign is part of the number: a delta is an absolute value here.
        "gauge.delta",
        lambda c: [c.gauge("gauge.delta", 7), c.gauge("gauge.delta", 2, delta=True)],
        {"": ("gauge", 2)},
    ),
    Call("set", lambda c: [c.set("set", member) for member in ("u", 7, "u")], {"": ("gauge", 2)}),
    Call("timing", lambda c: [c.timing("timing", ms) for ms in (10, 30)], distribution(10, 30)),
    Call("timing.rate", lambda c: c.timing("timing.rate", 8, rate=0.5), distribution(8, weight=2)),
    Call(
        "timing.delta",
        lambda c: c.timing("timing.delta", timedelta(seconds=1.5)),
        distribution(1500),
    ),
]


def send_datadog(client: DogStatsd) -> None:
    """Every call of the official client, those that measure time included."""
    for call in DATADOG:
        call.send(client)
    with client.timed("timed.context", use_ms=True):
        pass
    client.timed("timed.decorator")(int)()
    with client.distributed("distributed.context"):
        pass
    client.distributed("distributed.decorator")(int)()
    mode = client.namespace
    client.event(f"{mode} deployed", "line one\nline two")
    client.event(
        f"{mode} down",
        "text | with pipes",
        alert_type="error",
        aggregation_key="key",
        source_type_name="source",
        date_happened=T,
        priority="low",
        tags=["a:1"],
        hostname="other",
    )
    client.service_check(f"{mode}.ok", DogStatsd.OK)
    client.service_check(
        f"{mode}.down",
        DogStatsd.CRITICAL,
        tags=["a:1"],
        timestamp=T,
        hostname="other",
        message="m: broken\nagain",
    )
    client.flush()
    client.stop()
    client.close_socket()


def send_statsd(client: Any) -> None:
    """Every call of the plain client, those that measure time included."""
    for call in STATSD:
        call.send(client)
    with client.timer("timer.context"):
        pass
    client.timer("timer.decorator")(int)()
    timer = client.timer("timer.manual").start()
    timer.stop(send=False)
    timer.send()
