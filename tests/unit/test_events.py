"""Events and service checks: what a caller relies on. All that is accepted is in tests/golden."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veneurpy.events import parse_check, parse_event
from veneurpy.model import Event, ServiceCheck

NOW_S = 1_500_000_000


def test_event_with_everything() -> None:
    """Every field of an event finds its place."""
    line = "_e{6,8}:Tïtle|a\\nb\\ncd|d:7|h:web|k:key|p:low|s:ci|t:error|#b,a|c:ci-1".encode()

    assert Event(
        title="Tïtle",
        text="a\nb\ncd",
        timestamp_s=7,
        tags=("a", "b", "z:1"),
        host="web",
        aggregation_key="key",
        priority="low",
        source_type="ci",
        alert_type="error",
    ) == parse_event(line, NOW_S, ("z:1",))


def test_check_with_everything() -> None:
    """Every field of a service check finds its place."""
    line = b"_sc|db.up|2|d:7|h:web|#b,a|m:no\\nanswer"

    assert ServiceCheck(
        name="db.up",
        status=2,
        timestamp_s=7,
        tags=("a", "b", "z:1"),
        host="web",
        message="no\nanswer",
    ) == parse_check(line, NOW_S, ("z:1",))


def test_defaults() -> None:
    """What is not given is now, normal, info and empty."""
    assert Event("a", "b", NOW_S) == parse_event(b"_e{1,1}:a|b", NOW_S, ())
    assert ServiceCheck("a", 0, NOW_S) == parse_check(b"_sc|a|0", NOW_S, ())


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"_e{1,1}:a", id="no text"),
        pytest.param(b"_e{1,2}:a|b", id="text too short"),
        pytest.param(b"_e{1,1}:a|bc", id="text too long"),
        pytest.param(b"_e{0,1}:|b", id="no title"),
        pytest.param(b"_e{1,1}:\xff|b", id="title not UTF-8"),
        pytest.param(b"_e{1,1}:a|\xff", id="text not UTF-8"),
        pytest.param(b"_e{1,1}:a|b|#\xff", id="tags not UTF-8"),
        pytest.param(b"_e{1,1}:\x00|b", id="control character"),
        pytest.param(b"_e{1, 1}:a|b", id="blank in the head"),
    ],
)
def test_rejected_events(line: bytes) -> None:
    """An event that cannot be read is None, never an exception."""
    assert parse_event(line, NOW_S, ()) is None


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"_sc|a", id="no status"),
        pytest.param(b"_sc|a|5", id="no such status"),
        pytest.param(b"_sc||1", id="no name"),
        pytest.param(b"_sc|\xff|1", id="name not UTF-8"),
        pytest.param(b"_sc|a|1|#\xff", id="tags not UTF-8"),
    ],
)
def test_rejected_checks(line: bytes) -> None:
    """A check that cannot be read is None, never an exception."""
    assert parse_check(line, NOW_S, ()) is None


@given(st.binary(max_size=60))
def test_any_bytes(rest: bytes) -> None:
    """No bytes make either of them raise."""
    for head in (b"_e{", b"_e{3,3}:foo|", b"_e{3,3}:foo|bar|"):
        parse_event(head + rest, NOW_S, ("x",))
    for head in (b"_sc|", b"_sc|x|0|"):
        parse_check(head + rest, NOW_S, ("x",))


@given(st.text(min_size=1, max_size=20), st.text(max_size=40))
def test_any_text_comes_through(title: str, text: str) -> None:
    """Title and text come out as they went in, whatever delimiters they hold."""
    title = "".join(c for c in title if c.isprintable()) or "t"
    text = "".join(c for c in text if c != "\n" and not "\ud800" <= c <= "\udfff")
    raw_title, raw_text = title.encode(), text.encode()
    line = b"_e{%d,%d}:%s|%s|t:error" % (len(raw_title), len(raw_text), raw_title, raw_text)

    assert Event(title, text.replace("\\n", "\n"), NOW_S, alert_type="error") == parse_event(
        line, NOW_S, ()
    )
