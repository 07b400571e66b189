"""Durations and sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veneurpy.config.quantity import format_duration, format_size, parse_duration, parse_size
from veneurpy.config.wrong import Wrong

DURATIONS = {
    "10s": 10.0,
    "1m30s": 90.0,
    "100ms": 0.1,
    "1.5h": 5400.0,
    ".5s": 0.5,
    "2h3m4.5s": 7384.5,
    "250us": 250e-6,
    "250µs": 250e-6,
    "7ns": 7e-9,
    "0": 0.0,
    "0s": 0.0,
}
WRONG_DURATIONS = {
    10: 'write "10s"',
    1.5: 'write "1.5s"',
    "10": "the unit is missing",
    "1m30": "the unit is missing",
    "-1s": "not negative",
    "1d": 'unknown unit "d"',
    "10 s": "the unit is missing",
    "": 'found ""',
    "s": 'found "s"',
    "10s!": 'found "10s!"',
    "9999999999999h": "at most 292 years",
    True: "found true",
    None: "found nothing",
}
SIZES = {
    "0": 0,
    "1024": 1024,
    4096: 4096,
    "512MiB": 512 << 20,
    "64 KiB": 64 << 10,
    "1GB": 10**9,
    "1.5k": 1500,
    "2gib": 2 << 30,
    "10B": 10,
}


@pytest.mark.parametrize(("text", "seconds"), DURATIONS.items(), ids=DURATIONS)
def test_reads_go_durations(text: str, seconds: float) -> None:
    """A duration is what Go's time.ParseDuration makes of it."""
    assert seconds == pytest.approx(parse_duration(text), rel=1e-12)


@pytest.mark.parametrize(("value", "says"), WRONG_DURATIONS.items(), ids=repr)
def test_says_how_to_write_a_duration(value: object, says: str) -> None:
    """What is no duration is refused with what was wrong about it."""
    with pytest.raises(Wrong) as raised:
        parse_duration(value)
    assert says in str(raised.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(10, "10s"), (90, "1m30s"), (600, "10m"), (5400, "1h30m"), (0.2, "200ms"), (0, "0s")],
)
def test_writes_short_durations(seconds: float, text: str) -> None:
    """A duration is written in units that people use."""
    assert text == format_duration(seconds)


@given(st.integers(0, 10**13))
def test_written_durations_are_read_back(microseconds: int) -> None:
    """Writing loses nothing that is longer than a microsecond."""
    seconds = microseconds / 1e6
    assert seconds == pytest.approx(parse_duration(format_duration(seconds)), abs=1e-6)


@pytest.mark.parametrize(("value", "size_bytes"), SIZES.items(), ids=repr)
def test_reads_sizes(value: object, size_bytes: int) -> None:
    """A size is a number of bytes or has a decimal or binary unit."""
    assert size_bytes == parse_size(value)


@pytest.mark.parametrize("value", [-1, 1.5, True, None, "", "MiB", "1 parsec", "9" * 400 + "TB"])
def test_refuses_what_is_no_size(value: object) -> None:
    """What is no size is refused, however long."""
    with pytest.raises(Wrong, match="size"):
        parse_size(value)


@given(st.integers(0, 10**14))
def test_written_sizes_are_read_back(size_bytes: int) -> None:
    """Writing a size is exact."""
    assert size_bytes == parse_size(format_size(size_bytes))
