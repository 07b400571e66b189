"""The lines that clients write: their text, what is refused, and that the daemon reads them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veneurpy import dogstatsd
from veneurpy.engine import (
    EngineOptions,
    MetricType,
    Output,
    Plan,
    PointType,
    Statistic,
    open_engine,
)
from veneurpy.events import parse_check, parse_event
from veneurpy.model import Event, ServiceCheck


@pytest.mark.parametrize(
    ("line", "kind", "name", "value", "tags"),
    [
        pytest.param("m:3|c|#a:b,c", "counter", "m", 3, ["a:b", "c"], id="valueless tag stays"),
        pytest.param("m:3.25|g", "gauge", "m", 3.25, [], id="fraction"),
        pytest.param("m:-5|g", "gauge", "m", -5.0, [], id="negative"),
        pytest.param("m:90500|ms", "timing", "m", 90500.0, [], id="whole number without point"),
        pytest.param("m:99999999999|c", "counter", "m", 99999999999.0, [], id="beyond a float32"),
        pytest.param("m:0.1|h", "histogram", "m", 0.1, [], id="shortest decimal"),
        pytest.param("m:1e+300|g", "gauge", "m", 1e300, [], id="huge"),
        pytest.param("m:a:b::1|s", "set", "m", "a:b::1", [], id="colons in a member"),
        pytest.param("m:1|c|#b,a", "counter", "m", 1, ["b", "", "a"], id="tags in order, no empty"),
    ],
)
def test_metric(line: str, kind: str, name: str, value: float | str, tags: list[str]) -> None:
    """A metric is written as name, value, type, and its tags in the order given."""
    assert line == dogstatsd.metric(kind, name, value, tags)


@pytest.mark.parametrize(
    ("kind", "name", "value", "tags"),
    [
        pytest.param("counter", "", 1, [], id="no name"),
        pytest.param("counter", "a:b", 1, [], id="colon in name"),
        pytest.param("counter", "a|b", 1, [], id="pipe in name"),
        pytest.param("counter", "a\nb", 1, [], id="line break in name"),
        pytest.param("gauge", "m", float("nan"), [], id="nan"),
        pytest.param("gauge", "m", float("inf"), [], id="infinity"),
        pytest.param("set", "m", "", [], id="empty member"),
        pytest.param("set", "m", "a|b", [], id="pipe in member"),
        pytest.param("counter", "m", 1, ["a,b"], id="comma in tag"),
        pytest.param("counter", "m", 1, ["a|b"], id="pipe in tag"),
        pytest.param("counter", "m", 1, ["a\nb"], id="line break in tag"),
        pytest.param("set", "m", "a\nb", [], id="line break in member"),
    ],
)
def test_metric_refuses(kind: str, name: str, value: float | str, tags: list[str]) -> None:
    """What the receiver would read as something else is not written."""
    with pytest.raises(ValueError, match=r"metric|value|set member|tag"):
        dogstatsd.metric(kind, name, value, tags)


ALL_EVENT_FIELDS: dict[str, Any] = {
    "timestamp_s": 1501002564,
    "host": "tester.host",
    "aggregation_key": "testEvents",
    "priority": "low",
    "source_type": "tester",
    "alert_type": "warning",
    "tags": ["err_type:bad"],
}


def test_event_with_every_field() -> None:
    """An event's fields stand in the order d, h, k, p, s, t, tags."""
    expected = (
        "_e{8,9}:An event|text here"
        "|d:1501002564|h:tester.host|k:testEvents|p:low|s:tester|t:warning|#err_type:bad"
    )
    assert expected == dogstatsd.event("An event", "text here", **ALL_EVENT_FIELDS)


@pytest.mark.parametrize(
    ("line", "title", "text"),
    [
        pytest.param("_e{1,4}:t|a\\nb", "t", "a\nb", id="line break is two characters"),
        pytest.param("_e{2,3}:ü|€", "ü", "€", id="lengths are bytes"),
        pytest.param("_e{3,3}:a|b|c|d", "a|b", "c|d", id="pipes are covered by the lengths"),
        pytest.param("_e{1,0}:t|", "t", "", id="empty text"),
        pytest.param("_e{1,1}:t|\udcff", "t", "\udcff", id="bytes of the command line"),
    ],
)
def test_event_lengths(line: str, title: str, text: str) -> None:
    """The lengths count the bytes that are really written."""
    assert line == dogstatsd.event(title, text)


PRINTABLE = st.characters(exclude_categories=["Cs", "Cc"])


@given(title=st.text(PRINTABLE, min_size=1), text=st.text(PRINTABLE | st.just("\n")))
def test_event_is_read_back(title: str, text: str) -> None:
    """Whatever the title and the text, the daemon reads the event as it was meant."""
    line = dogstatsd.event(title, text, **ALL_EVENT_FIELDS)
    expected = Event(
        title=title,
        text=text.replace("\\n", "\n"),
        timestamp_s=1501002564,
        tags=("err_type:bad",),
        host="tester.host",
        aggregation_key="testEvents",
        priority="low",
        source_type="tester",
        alert_type="warning",
    )
    assert expected == parse_event(line.encode(), 0, ())


@given(message=st.text(PRINTABLE.filter(lambda character: character not in "|\\") | st.just("\n")))
def test_service_check_is_read_back(message: str) -> None:
    """Whatever the message, the daemon reads the check as it was meant."""
    line = dogstatsd.service_check("db", 1, timestamp_s=7, host="h", tags=["a:b"], message=message)
    expected = ServiceCheck("db", 1, 7, tags=("a:b",), host="h", message=message)
    assert expected == parse_check(line.encode(), 0, ())


SAMPLES = [
    pytest.param("counter", 99999999999.5, (99999999999.5, MetricType.COUNTER), id="counter"),
    pytest.param("gauge", -1e-7, (-1e-7, MetricType.GAUGE), id="gauge"),
    pytest.param("timing", 90500.25, (90500.25, MetricType.TIMER), id="timing"),
    pytest.param("histogram", 0.1, (0.1, MetricType.HISTOGRAM), id="histogram"),
    pytest.param("set", "::1", (1.0, MetricType.SET), id="set"),
]


@pytest.mark.parametrize(("kind", "value", "expected"), SAMPLES)
def test_metric_is_read_back(
    kind: str, value: float | str, expected: tuple[float, MetricType]
) -> None:
    """The engine reads the very double that was written, of the type that was meant."""
    engine = open_engine("python", EngineOptions(), start_ms=0)
    engine.open_reader("test").feed(dogstatsd.metric(kind, "m", value, ["b", "a:1"]).encode())
    interval = engine.rotate(10_000)
    rows = interval.columns(Plan((Output(".sum", Statistic.SUM, PointType.GAUGE),)))
    assert [expected] == list(zip(rows.value, map(MetricType, rows.series_type), strict=True))
    assert ["a:1,b"] == list(rows.tags)


def test_event_needs_a_title() -> None:
    """An event without a title is refused."""
    with pytest.raises(ValueError, match="title"):
        dogstatsd.event("", "text")


def test_service_check_with_every_field() -> None:
    """A check's message comes last, its line breaks written as two characters."""
    line = dogstatsd.service_check(
        "db", 2, timestamp_s=7, host="h", tags=["a:b", "c"], message="down\nagain"
    )
    assert line == "_sc|db|2|d:7|h:h|#a:b,c|m:down\\nagain"


def test_service_check_alone() -> None:
    """Fields that are not given are not written."""
    assert dogstatsd.service_check("myName", 1) == "_sc|myName|1"


@pytest.mark.parametrize(
    ("name", "status", "fields"),
    [
        pytest.param("", 0, {}, id="no name"),
        pytest.param("a|b", 0, {}, id="pipe in name"),
        pytest.param("a", 4, {}, id="status 4"),
        pytest.param("a", -1, {}, id="status -1"),
        pytest.param("a", 0, {"host": "a|b"}, id="pipe in host"),
        pytest.param("a", 0, {"message": "a|b"}, id="pipe in message"),
        pytest.param("a", 0, {"host": "a\nb"}, id="line break in host"),
    ],
)
def test_service_check_refuses(name: str, status: int, fields: dict[str, str]) -> None:
    """A check that would be read as another is not written."""
    with pytest.raises(ValueError, match=r"check|field"):
        dogstatsd.service_check(name, status, **fields)
