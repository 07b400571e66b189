"""The accounts of everything that came in and went out, and the equations that must hold.

Counts only, never rates. Nothing here measures: the engine counts lines and values, the lanes count
rows, and this file adds up what they counted independently of one another.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol
from uuid import UUID

from veneurpy.engine import Accounts, MetricType

FateWord = Literal["confirmed", "rejected", "given_up", "in_doubt"]


@dataclass(frozen=True, slots=True)
class Equation:
    """`left = sum(right)`, about one listener, one sink or the store."""

    name: str
    where: str
    left: tuple[str, int]
    right: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.right.values())

    @property
    def holds(self) -> bool:
        return self.left[1] == self.total

    def as_dict(self) -> dict[str, Any]:
        """Its terms and their sum, so that a person can add it up."""
        return {
            "equation": self.name,
            "where": self.where,
            self.left[0]: self.left[1],
            "terms": dict(self.right),
            "sum": self.total,
            "holds": self.holds,
        }

    def __str__(self) -> str:
        terms = " + ".join(f"{name} {count}" for name, count in self.right.items())
        sign = "=" if self.holds else "≠"
        return f"{self.where}: {self.left[0]} {self.left[1]} {sign} {terms} = {self.total}"


@dataclass(slots=True)
class Fate:
    """What became of rows (points, or events and checks) that were offered to a sink."""

    offered: int = 0
    confirmed: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    given_up: dict[str, int] = field(default_factory=dict)
    in_doubt: dict[str, int] = field(default_factory=dict)
    pending: int = 0
    """What waits or is under way, as the sink's queue itself counts it."""

    def book(self, word: FateWord, reason: str, rows: int) -> None:
        """Adds rows whose fate is decided. What is confirmed has no reason."""
        if word == "confirmed":
            self.confirmed += rows
        else:
            reasons: dict[str, int] = getattr(self, word)
            reasons[reason] = reasons.get(reason, 0) + rows

    def equation(self, name: str, where: str) -> Equation:
        """offered = confirmed + rejected + given up + in doubt + pending."""
        right = {"confirmed": self.confirmed}
        right |= _prefixed("rejected", self.rejected)
        right |= _prefixed("given_up", self.given_up)
        right |= _prefixed("in_doubt", self.in_doubt)
        return Equation(name, where, ("offered", self.offered), right | {"pending": self.pending})


@dataclass(slots=True)
class SinkAccounts:
    """One sink's rows and, apart from them, its events and service checks."""

    points: Fate = field(default_factory=Fate)
    others: Fate = field(default_factory=Fate)
    elsewhere: int = 0
    """Points that `veneursinkonly` keeps from this sink."""
    restored: int = 0
    """Points that a process before this one made, offered again from the spool."""

    def equations(self, sink: str, points: int) -> Iterator[Equation]:
        """The equations of the sink called `sink`, of `points` points that were made in all."""
        routed = {"offered": self.points.offered, "elsewhere": self.elsewhere}
        made = ("points", points)
        if self.restored:
            made = ("points and restored", points + self.restored)
        yield Equation("points", sink, made, routed)
        yield self.points.equation("rows", sink)
        yield self.others.equation("events and checks", sink)


@dataclass(slots=True)
class StoreAccounts:
    """What the merged store of an interval held and what was made of it."""

    series: int = 0
    points: int = 0
    unrouted: int = 0
    """Points that `veneursinkonly` keeps from every sink there is."""
    events: int = 0
    checks: int = 0
    type_conflicts: int = 0


@dataclass(slots=True)
class Book:
    """All accounts over one stretch of time: an interval, or the life of the process."""

    listeners: dict[str, Accounts] = field(default_factory=dict)
    store: StoreAccounts = field(default_factory=StoreAccounts)
    sinks: dict[str, SinkAccounts] = field(default_factory=dict)

    def equations(self) -> Iterator[Equation]:
        """Every equation that must hold, whenever one looks."""
        for name, accounts in self.listeners.items():
            yield from listener_equations(name, accounts)
        for name, sink in self.sinks.items():
            yield from sink.equations(name, self.store.points)

    def violations(self) -> list[Equation]:
        """The equations that do not hold: each one is a bug of ours."""
        return [equation for equation in self.equations() if not equation.holds]

    def add(self, other: Book) -> None:
        """Adds what came in and what was made of it. What became of rows is told by the lanes."""
        for name, accounts in other.listeners.items():
            add_accounts(self.listeners.setdefault(name, Accounts()), accounts)
        for name in StoreAccounts.__slots__:
            total = getattr(self.store, name) + getattr(other.store, name)
            setattr(self.store, name, total)
        for name, sink in other.sinks.items():
            self.sinks.setdefault(name, SinkAccounts()).elsewhere += sink.elsewhere

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON, each equation with its terms and their sum."""
        equations = [equation.as_dict() for equation in self.equations()]
        return {
            "holds": all(equation["holds"] for equation in equations),
            "listeners": {name: accounts_as_dict(part) for name, part in self.listeners.items()},
            "store": asdict(self.store),
            "sinks": {name: asdict(sink) for name, sink in self.sinks.items()},
            "equations": equations,
        }


@dataclass(frozen=True, slots=True)
class ClosedInterval:
    """The book of one closed interval."""

    uuid: UUID
    start_ms: int
    end_ms: int
    book: Book

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        bounds = {"uuid": str(self.uuid), "start_ms": self.start_ms, "end_ms": self.end_ms}
        return bounds | self.book.as_dict()


class Accounted(Protocol):
    """Accounts that are kept elsewhere: of what passes between nodes."""

    def equations(self) -> Iterator[Equation]: ...
    def as_dict(self) -> dict[str, Any]: ...


class Ledger:
    """The running totals since the start and the last closed interval. Used on one thread."""

    def __init__(self, sinks: Sequence[str]) -> None:
        self.elsewhere: dict[str, Accounted] = {}
        """By name; their equations are checked and shown with the others."""
        self.intervals = 0
        self.violations = 0
        self.total = Book(sinks={name: SinkAccounts() for name in sinks})
        self.last: ClosedInterval | None = None

    def open_listener(self, name: str) -> None:
        """Accounts for a listener that has just begun to read."""
        self.total.listeners.setdefault(name, Accounts())

    def close(self, interval: ClosedInterval) -> list[Equation]:
        """Adds a closed interval to the totals; returns the equations of both that do not hold.

        Call it when the interval's points have been offered to the sinks.
        """
        self.total.add(interval.book)
        self.intervals += 1
        self.last = interval
        broken = interval.book.violations() + self.total.violations()
        for accounts in self.elsewhere.values():
            broken += [equation for equation in accounts.equations() if not equation.holds]
        self.violations += len(broken)
        return broken

    def publish(self, points: int, unrouted: int, elsewhere: Mapping[str, int]) -> None:
        """Adds points that were sealed here, and how many of them are kept from which sink.

        Call it when they have been offered to the sinks.
        """
        self.total.store.points += points
        self.total.store.unrouted += unrouted
        for name, count in elsewhere.items():
            self.total.sinks[name].elsewhere += count

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "intervals": self.intervals,
            "violations": self.violations,
            "total": self.total.as_dict(),
            "between_nodes": {
                name: accounts.as_dict()
                | {"equations": [equation.as_dict() for equation in accounts.equations()]}
                for name, accounts in self.elsewhere.items()
            },
            "last_interval": None if self.last is None else self.last.as_dict(),
        }


def listener_equations(name: str, accounts: Accounts) -> Iterator[Equation]:
    """Datagrams, lines and values of one listener, once its side log has been read."""
    yield Equation(
        "datagrams",
        name,
        ("datagrams", accounts.datagrams),
        {"whole": accounts.whole, "truncated": accounts.truncated},
    )
    lines = {"accepted": accounts.accepted, **_prefixed("rejected", accounts.rejected)}
    lines["pending"] = accounts.pending
    yield Equation("lines", name, ("lines", accounts.lines), lines)
    values = {
        f"aggregated.{MetricType(kind).name.lower()}": n for kind, n in accounts.aggregated.items()
    }
    values["filtered"] = accounts.filtered
    values |= _prefixed("rejected", accounts.values_rejected)
    yield Equation("values", name, ("values", accounts.values), values)


def add_accounts(total: Accounts, part: Accounts) -> None:
    """Adds `part` to `total`, account by account."""
    for name in Accounts.__slots__:
        value = getattr(part, name)
        if isinstance(value, dict):
            mine = getattr(total, name)
            for key, count in value.items():
                mine[key] = mine.get(key, 0) + count
        else:
            setattr(total, name, getattr(total, name) + value)


def by_listener(readers: Iterable[tuple[str, Accounts]]) -> dict[str, Accounts]:
    """Merges the accounts of the readers that share a listener. The inputs stay as they are."""
    merged: dict[str, Accounts] = {}
    for name, accounts in readers:
        add_accounts(merged.setdefault(name, Accounts()), accounts)
    return merged


def accounts_as_dict(accounts: Accounts) -> dict[str, Any]:
    """The accounts of a reader or a listener as plain data."""
    by_type = {MetricType(kind).name.lower(): n for kind, n in accounts.aggregated.items()}
    return asdict(accounts) | {"aggregated": by_type}


def _prefixed(word: str, counts: Mapping[str, int]) -> dict[str, int]:
    return {f"{word}.{reason}": count for reason, count in counts.items()}
