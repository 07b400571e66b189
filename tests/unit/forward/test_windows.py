"""The windows of a next tier, compared with those of the tier that passes on to it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from veneurpy.forward.answer import Windows
from veneurpy.forward.windows import Fit
from veneurpy.telemetry.events import Event, WindowShort

INTERVAL_S = 10.0
OWN = Windows(accept_s=3600.0, late_s=600.0, hold_s=5.0)
JUST_ENOUGH = Windows(accept_s=3635.0, late_s=630.0, hold_s=6.0)


def told(theirs: Windows, own: Windows | None = OWN) -> list[str]:
    """The keys that are too short at an owner."""
    events: list[Event] = []
    Fit(own, INTERVAL_S, events.append).compare("t1", theirs)
    return [each.key for each in events if isinstance(each, WindowShort)]


def test_windows_that_fit() -> None:
    """Nothing is said of windows that are longer by what seals take to arrive."""
    assert [] == told(JUST_ENOUGH)


@pytest.mark.parametrize(
    ("theirs", "key"),
    [
        (replace(JUST_ENOUGH, hold_s=5.9), "global_hold"),
        (replace(JUST_ENOUGH, late_s=629.0), "late_window"),
        (replace(JUST_ENOUGH, accept_s=3634.0), "accept_window"),
    ],
)
def test_a_window_that_is_too_short(theirs: Windows, key: str) -> None:
    """It is named, and only it."""
    assert [key] == told(theirs)


def test_equal_windows_do_not_fit() -> None:
    """Two tiers that both have what is preset."""
    assert ["global_hold", "late_window", "accept_window"] == told(OWN)


def test_a_host_has_none() -> None:
    """Whoever seals nothing compares nothing."""
    assert [] == told(replace(OWN, late_s=0.0), own=None)


def test_it_is_told_once_for_each_owner() -> None:
    """And anew when an owner tells others; what is mended is no longer shown."""
    events: list[Event] = []
    fit = Fit(OWN, INTERVAL_S, events.append)
    short = replace(JUST_ENOUGH, late_s=60.0)
    for owner in ("t1", "t1", "t2", "t1"):
        fit.compare(owner, short)
    assert [("t1", 630.0), ("t2", 630.0)] == [
        (each.owner, each.needed_s) for each in events if isinstance(each, WindowShort)
    ]
    fit.compare("t1", JUST_ENOUGH)
    assert {"t1": 0, "t2": 1} == {owner: len(found) for owner, found in fit.short.items()}
    fit.compare("t1", short)
    assert 3 == len(events)
