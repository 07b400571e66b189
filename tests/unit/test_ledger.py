"""The accounts and their equations."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from veneurpy.engine import Accounts, MetricType
from veneurpy.ledger import (
    Book,
    ClosedInterval,
    Fate,
    Ledger,
    SinkAccounts,
    StoreAccounts,
    add_accounts,
    by_listener,
)

UDP = "udp://127.0.0.1:8125"


def good() -> Accounts:
    """Accounts of which everything holds."""
    accounts = Accounts(
        datagrams=5, bytes=100, whole=4, truncated=1, kernel_drops=7, lines=9, accepted=6, values=8
    )
    accounts.rejected["bad_name"] = 2
    accounts.pending = 1
    accounts.aggregated[MetricType.COUNTER] = 5
    accounts.aggregated[MetricType.SET] = 1
    accounts.values_rejected["store_full"] = 2
    return accounts


def interval(accounts: Accounts | None = None, points: int = 3, offered: int = 2) -> ClosedInterval:
    """An interval with one listener and one sink, from which a point was kept."""
    sink = SinkAccounts(Fate(offered=offered, confirmed=1, pending=1), elsewhere=1)
    book = Book({UDP: accounts or good()}, StoreAccounts(series=2, points=points), {"a": sink})
    return ClosedInterval(UUID(int=7), 1000, 2000, book)


def test_everything_holds() -> None:
    """Each listener has three equations and each sink three; all of them add up."""
    equations = list(interval().book.equations())
    names = ["datagrams", "lines", "values", "points", "rows", "events and checks"]
    assert names == [equation.name for equation in equations]
    assert [] == interval().book.violations()


BREAK: dict[str, Callable[[Accounts], None]] = {
    "datagrams": lambda a: setattr(a, "whole", 3),
    "lines": lambda a: setattr(a, "pending", 0),
    "values": lambda a: a.aggregated.update({MetricType.SET: 2}),
}


@pytest.mark.parametrize("name", BREAK)
def test_a_broken_listener_is_named(name: str) -> None:
    """An equation that does not hold says which, where, and with which terms."""
    accounts = good()
    BREAK[name](accounts)
    (broken,) = interval(accounts).book.violations()
    assert (name, UDP) == (broken.name, broken.where)
    assert "≠" in str(broken)
    assert not broken.as_dict()["holds"]


def test_a_broken_sink_is_named() -> None:
    """A row that was offered and has no fate is seen, and so is a point that was not offered."""
    assert ["points", "rows"] == [e.name for e in interval(offered=3).book.violations()]
    assert ["points"] == [e.name for e in interval(points=4).book.violations()]


@pytest.mark.parametrize("word", ["confirmed", "rejected", "given_up", "in_doubt"])
def test_each_fate_counts(word: str) -> None:
    """Every fate is a term of the sink's equation."""
    fate = Fate(offered=5)
    fate.book(word, "why", 2)  # type: ignore[arg-type]
    fate.book(word, "why", 3)  # type: ignore[arg-type]
    equation = fate.equation("rows", "a")
    assert equation.holds
    assert equation.right[word if word == "confirmed" else f"{word}.why"] == 5


def test_an_equation_can_be_added_up() -> None:
    """As data it shows its left side, every term and their sum."""
    shown = next(iter(interval().book.equations())).as_dict()
    assert shown == {
        "equation": "datagrams",
        "where": UDP,
        "datagrams": 5,
        "terms": {"whole": 4, "truncated": 1},
        "sum": 5,
        "holds": True,
    }


def test_readers_of_one_listener_are_merged() -> None:
    """Every account is summed, and the readers' own stay as they are."""
    first, second, other = good(), good(), good()
    merged = by_listener([(UDP, first), ("tcp", other), (UDP, second)])
    assert [UDP, "tcp"] == list(merged)
    assert (10, 14, 2) == (
        merged[UDP].datagrams,
        merged[UDP].kernel_drops,
        merged[UDP].aggregated[MetricType.SET],
    )
    assert good() == first == merged["tcp"]


def test_no_account_is_forgotten() -> None:
    """Adding to nothing gives the same again, field by field."""
    total = Accounts()
    add_accounts(total, good())
    assert good() == total


def test_totals_run_on() -> None:
    """Intervals are added up; the last one is kept as it is."""
    ledger = Ledger(["a"])
    for _ in range(2):
        ledger.total.sinks["a"].points.offered += 2
        ledger.total.sinks["a"].points.confirmed += 2
        assert [] == ledger.close(interval())
    shown = ledger.as_dict()
    assert (2, 0) == (shown["intervals"], shown["violations"])
    assert shown["total"]["listeners"][UDP]["lines"] == 18
    assert shown["total"]["listeners"][UDP]["aggregated"]["counter"] == 10
    assert shown["total"]["store"]["points"] == 6
    assert shown["total"]["sinks"]["a"]["elsewhere"] == 2
    assert shown["total"]["holds"]
    assert shown["last_interval"]["uuid"] == "00000000-0000-0000-0000-000000000007"
    assert shown["last_interval"]["listeners"][UDP]["lines"] == 9


def test_violations_are_counted_and_told() -> None:
    """Those of the interval and those of the totals."""
    ledger = Ledger(["a"])
    broken = ledger.close(interval())
    assert ["points"] == [equation.name for equation in broken]
    assert ledger.violations == 1
    assert not ledger.as_dict()["total"]["holds"]


def test_before_the_first_flush() -> None:
    """Nothing has come and all of it is accounted for."""
    ledger = Ledger(["a"])
    ledger.open_listener(UDP)
    shown = ledger.as_dict()
    assert shown["last_interval"] is None
    assert shown["total"]["listeners"][UDP]["datagrams"] == 0
    assert shown["total"]["holds"]
