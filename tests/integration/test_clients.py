"""The official clients against a real daemon: every call that they have, and every value right.

Each client sends to a daemon in a process of its own, which is then stopped; what is compared is
what its `localfile` sink wrote.
"""

from __future__ import annotations

from contextlib import closing
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from datadog.dogstatsd.base import DogStatsd
from statsd import StatsClient

from tests.daemon import Daemon, running_daemon
from tests.engines import needs_native
from tests.integration.client_calls import (
    AGGREGATES,
    DATADOG,
    STATSD,
    Call,
    Points,
    T,
    send_datadog,
    send_statsd,
)

Rows = list[dict[str, Any]]

CONSTANT = "env:test"
ORIGIN = "it-false,cn-web,pu-1234"
DATADOG_MODES: dict[str, dict[str, Any]] = {
    "unbuffered": {"disable_buffering": True, "telemetry_min_flush_interval": 0},
    "buffered": {"disable_buffering": False, "disable_telemetry": True},
    "background": {"disable_background_sender": False, "disable_telemetry": True},
    "aggregated": {"disable_aggregation": False, "disable_telemetry": True},
    "origin": {
        "container_id": "in-4026531",
        "cardinality": "high",
        "disable_telemetry": True,
    },
}


def without_chance(patch: pytest.MonkeyPatch) -> None:
    """Sampled calls are all sent: their rate still travels with them."""
    patch.setattr("datadog.dogstatsd.base.random", lambda: 0.0)
    patch.setattr("statsd.client.base.random", SimpleNamespace(random=lambda: 0.0))


def send_everything(daemon: Daemon) -> None:
    """All calls of all clients, each way of sending under a prefix of its own."""
    for mode, options in DATADOG_MODES.items():
        tags = [CONSTANT]
        send_datadog(
            DogStatsd("127.0.0.1", daemon.port, namespace=mode, constant_tags=tags, **options)
        )
    with closing(StatsClient("127.0.0.1", daemon.port, prefix="plain")) as plain:
        send_statsd(plain)
    with (
        closing(StatsClient("127.0.0.1", daemon.port, prefix="pipeline")) as whole,
        whole.pipeline() as pipeline,
    ):
        send_statsd(pipeline)


@pytest.fixture(
    scope="module",
    params=[pytest.param("native", marks=needs_native), pytest.param("python")],
)
def rows(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """What a daemon wrote after every client had sent every call to it."""
    folder: Path = tmp_path_factory.mktemp("clients")
    settings = {"aggregates": AGGREGATES, "percentiles": [], "hostname": "here"}
    with pytest.MonkeyPatch.context() as patch:
        without_chance(patch)
        patch.setenv("DD_EXTERNAL_ENV", ORIGIN)
        with running_daemon(folder, engine=request.param, **settings) as daemon:
            send_everything(daemon)
            assert daemon.stop() == 0
            return daemon.rows()


def of_series(rows: Rows, name: str, points: Points) -> dict[str, dict[str, Any]]:
    """The rows of a series by what follows its name, of which there must be one each."""
    found = [row for row in rows if row["name"] in {name + suffix for suffix in points}]
    by_suffix = {row["name"].removeprefix(name): row for row in found}
    assert len(by_suffix) == len(found)
    return by_suffix


def check(rows: Rows, name: str, call: Call, tags: list[str]) -> None:
    """Compares the points of a call with what was written for its series."""
    found = of_series(rows, name, call.points)
    near = {suffix: (kind, pytest.approx(v, 1e-12)) for suffix, (kind, v) in call.points.items()}
    assert near == {suffix: (row["type"], row["value"]) for suffix, row in found.items()}
    assert all(tags == row["tags"] for row in found.values())
    assert {"here"} == {row["host"] for row in found.values()}
    if call.timestamp is not None:
        assert {call.timestamp} == {row["timestamp"] for row in found.values()}


@pytest.mark.parametrize("mode", DATADOG_MODES)
@pytest.mark.parametrize("call", DATADOG, ids=lambda call: call.name)
def test_datadog_values(rows: Rows, mode: str, call: Call) -> None:
    """Whatever the official client sends comes out with its value, type, tags and time."""
    check(rows, f"{mode}.{call.name}", call, sorted([*call.tags, CONSTANT]))


@pytest.mark.parametrize("mode", ["plain", "pipeline"])
@pytest.mark.parametrize("call", STATSD, ids=lambda call: call.name)
def test_statsd_values(rows: Rows, mode: str, call: Call) -> None:
    """Whatever the plain client sends comes out with its value and type."""
    check(rows, f"{mode}.{call.name}", call, [])


TIMED = [
    *product(DATADOG_MODES, ["timed", "distributed"], ["context", "decorator"]),
    *product(["plain", "pipeline"], ["timer"], ["context", "decorator", "manual"]),
]


@pytest.mark.parametrize("series", [".".join(parts) for parts in TIMED])
def test_measured_times(rows: Rows, series: str) -> None:
    """A time that the client measured itself is one sample, of less than the test has taken."""
    found = of_series(rows, series, {".count": ("counter", 1), ".max": ("gauge", 0)})
    assert ("counter", 1) == (found[".count"]["type"], found[".count"]["value"])
    assert 0 <= found[".max"]["value"] < 60_000


def others(rows: Rows, kind: str, name: str) -> dict[str, Any]:
    """The one row of an event or a service check, without what every row has."""
    (found,) = [row for row in rows if (row["kind"], row["name"]) == (kind, name)]
    common = {"kind", "name", "revision", "interval_s", "scope"}
    return {key: value for key, value in found.items() if key not in common}


@pytest.mark.parametrize("mode", DATADOG_MODES)
def test_datadog_events(rows: Rows, mode: str) -> None:
    """An event comes out with every field that was given, and the usual ones where none was."""
    assert others(rows, "event", f"{mode} down") == {
        "text": "text | with pipes",
        "alert_type": "error",
        "aggregation_key": "key",
        "source_type": "source",
        "timestamp": T,
        "priority": "low",
        "tags": ["a:1", CONSTANT],
        "host": "other",
        "type": None,
        "value": None,
    }
    short = others(rows, "event", f"{mode} deployed")
    assert T < short.pop("timestamp")
    assert short == {
        "text": "line one\nline two",
        "alert_type": "info",
        "aggregation_key": "",
        "source_type": "",
        "priority": "normal",
        "tags": [CONSTANT],
        "host": "here",
        "type": None,
        "value": None,
    }


@pytest.mark.parametrize("mode", DATADOG_MODES)
def test_datadog_service_checks(rows: Rows, mode: str) -> None:
    """A service check comes out with its status and every field that was given."""
    assert others(rows, "check", f"{mode}.down") == {
        "type": "status",
        "value": DogStatsd.CRITICAL,
        "timestamp": T,
        "tags": ["a:1", CONSTANT],
        "host": "other",
        "message": "m: broken\nagain",
    }
    short = others(rows, "check", f"{mode}.ok")
    assert (DogStatsd.OK, "", "here") == (short["value"], short["message"], short["host"])


def test_datadog_telemetry(rows: Rows) -> None:
    """What the client tells of itself, as it does by default, arrives as well."""
    (row,) = [row for row in rows if row["name"] == "datadog.dogstatsd.client.metrics"]
    assert row["value"] >= len(DATADOG)
    assert "client:py" in row["tags"]


def test_nothing_else(rows: Rows) -> None:
    """Nothing comes out that nobody sent."""
    prefixes = {*DATADOG_MODES, "plain", "pipeline", "datadog"}
    assert prefixes == {row["name"].partition(".")[0].partition(" ")[0] for row in rows}
