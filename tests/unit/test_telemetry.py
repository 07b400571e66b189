"""Self-metrics and log lines."""

from __future__ import annotations

import io
import json
import re
from dataclasses import is_dataclass
from pkgutil import iter_modules

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.recording import Recorder
from veneurpy.telemetry import Telemetry, describe, events, metrics
from veneurpy.telemetry.events import Event, KernelDropped, ReceiveBufferSmall, SinkFailed
from veneurpy.telemetry.logs import make_logger
from veneurpy.testing import FakeClock


class Rig:
    """Telemetry on a fake clock."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.log = Recorder()
        self.telemetry = Telemetry(self.log, self.clock)


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_counters_gauges_and_histograms_are_exposed(rig: Rig) -> None:
    """The exposition is what Prometheus parses, with names and labels as in the table."""
    rig.telemetry.add(metrics.LINES, 2, listener="udp")
    rig.telemetry.add(metrics.LINES, 3, listener="udp")
    rig.telemetry.set(metrics.SERIES, 7)
    rig.telemetry.observe(metrics.LOOP_LAG, 0.02)
    rig.telemetry.observe(metrics.LOOP_LAG, 100.0)
    text = rig.telemetry.exposition().decode()
    samples = {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["veneurpy_lines_total", ("udp",)] == 5
    assert samples["veneurpy_series", ()] == 7
    assert samples["veneurpy_event_loop_lag_seconds_bucket", ("0.01",)] == 0
    assert samples["veneurpy_event_loop_lag_seconds_bucket", ("0.02",)] == 1
    assert samples["veneurpy_event_loop_lag_seconds_bucket", ("+Inf",)] == 2
    assert samples["veneurpy_event_loop_lag_seconds_sum", ()] == pytest.approx(100.02)
    assert samples["process_resident_memory_bytes", ()] > 0


def test_a_counter_without_labels_starts_at_zero(rig: Rig) -> None:
    """A rate can be taken from the first scrape on."""
    assert b"\nveneurpy_ticks_missed_total 0.0\n" in rig.telemetry.exposition()


def test_two_nodes_share_nothing() -> None:
    """There is no global registry."""
    first, second = Rig(), Rig()
    first.telemetry.set(metrics.SERIES, 7)
    assert second.telemetry.value(metrics.SERIES) == 0


@pytest.mark.parametrize("labels", [{}, {"sink": "a"}, {"listener": "a", "reason": "b"}])
def test_labels_must_be_those_of_the_table(rig: Rig, labels: dict[str, str]) -> None:
    """A wrong label is a bug that shows at once."""
    with pytest.raises(KeyError):
        rig.telemetry.add(metrics.LINES, 1, **labels)


def test_every_metric_is_described() -> None:
    """The table names each family once, in Prometheus' manner."""
    names = [name for name, _, _, _ in describe()]
    assert len(names) == len(set(names)) > 30
    for name, kind, labels, text in describe():
        assert re.fullmatch(r"veneurpy_[a-z_]+", name)
        assert (kind == "counter") == name.endswith("_total")
        assert kind != "histogram" or name.endswith("_seconds")
        assert text.endswith(".")
        assert all(label.islower() for label in labels)


EVENTS = [each for each in Event.__subclasses__() if is_dataclass(each)]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.__name__)
def test_every_event_is_one_line_and_its_counters(rig: Rig, event: type[Event]) -> None:
    """Each can be logged, counts what it says it counts, and explains itself."""
    fields = {"kind": "final", "fate": "given_up"}
    made = event(
        **{
            name: fields.get(name, 3 if kind in ("int", "float") else "x")
            for name, kind in event.__annotations__.items()
            if "ClassVar" not in kind
        }
    )
    rig.telemetry.emit(made)
    ((_, name, logged),) = rig.log.lines
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*", name)
    assert logged
    assert event.__doc__
    assert all(
        rig.telemetry.value(metric, **labels) == amount for metric, amount, labels in made.counts()
    )


def test_an_event_counts_and_logs(rig: Rig) -> None:
    """The counter and the line come from one place."""
    rig.telemetry.emit(SinkFailed("a", "timeout", 5, "no answer"))
    assert [
        (30, "sink_failed", {"sink": "a", "kind": "timeout", "rows": 5, "error": "no answer"})
    ] == rig.log.lines
    assert rig.telemetry.value(metrics.SINK_FAILURES, sink="a", kind="timeout") == 1


def test_repeated_events_do_not_flood_the_log(rig: Rig) -> None:
    """One line a minute for each name; the rest is counted, and the next line says how many."""
    for _ in range(100):
        rig.telemetry.emit(KernelDropped("udp", 1))
    rig.telemetry.emit(KernelDropped("other", 1))
    assert ["udp", "other"] == [line["listener"] for line in rig.log.of("kernel_dropped")]
    assert rig.telemetry.value(metrics.LOGS_SUPPRESSED, event="kernel_dropped") == 99
    rig.clock.advance(60)
    rig.telemetry.emit(KernelDropped("udp", 1))
    assert rig.log.of("kernel_dropped")[-1]["withheld_since"] == 99


def test_a_warning_says_how_to_mend_it(rig: Rig) -> None:
    """The command stands in the line."""
    rig.telemetry.emit(ReceiveBufferSmall("udp", wanted_bytes=4096, granted_bytes=1024))
    assert rig.log.lines[0][2]["mend"] == "sysctl -w net.core.rmem_max=4096"


def test_machines_get_json_lines() -> None:
    """One object a line, time and level first, text that is not ASCII kept."""
    stream = io.StringIO()
    make_logger(stream, format_="auto").log(20, "started", sink="größe")
    line = stream.getvalue()
    assert line.endswith("\n")
    assert ["time", "level", "event", "sink"] == list(json.loads(line))
    assert "größe" in line


def test_people_get_text() -> None:
    """The time first, without colours where it is not a terminal."""
    stream = io.StringIO()
    make_logger(stream, format_="console").log(30, "sink_failed", sink="a")
    assert "\x1b" not in stream.getvalue()
    assert re.match(r"\d{4}-.*Z.*warning.*sink_failed.*sink=a", stream.getvalue())


@pytest.mark.parametrize(("level", "expected"), [("debug", 2), ("info", 2), ("warning", 1)])
def test_the_level_is_the_least_that_is_written(level: str, expected: int) -> None:
    """What is less severe is dropped."""
    stream = io.StringIO()
    logger = make_logger(stream, level=level, format_="json")
    logger.log(20, "started")
    logger.log(40, "task_crashed")
    assert expected == stream.getvalue().count("\n")


def test_no_event_is_left_out_of_the_list() -> None:
    """Every module of events is read, and what stands in one can be imported from the package."""
    modules = {f"{events.__name__}.{found.name}" for found in iter_modules(events.__path__)}
    assert modules - {Event.__module__} == {each.__module__ for each in EVENTS}
    assert {each.__name__ for each in EVENTS} <= set(events.__all__)
