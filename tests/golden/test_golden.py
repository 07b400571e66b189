"""Every protocol case against every engine."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.engines import Datagram, Outcome, Row, add_accounts, broken_equations, engine_kinds, run
from tests.golden.cases import NOW_S, Case, build, yaml_cases
from tests.golden.vectors import as_veneur_reads, differences, key_of, vector_cases, vectors
from veneurpy.engine import Accounts, EngineKind
from veneurpy.events import parse_check, parse_event
from veneurpy.model import Event, ServiceCheck

CASES = [*yaml_cases(), *vector_cases()]


@dataclass
class Seen:
    """What a case led to, the side log read."""

    rows: list[Row]
    accounts: Accounts
    events: list[Event] = field(default_factory=list)
    checks: list[ServiceCheck] = field(default_factory=list)


@engine_kinds
@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_case(case: Case, kind: EngineKind) -> None:
    """What is sent becomes exactly the points, events, checks and accounts that the case names."""
    last = len(case.packets) - 1
    datagrams = [
        Datagram(packet, truncated=case.truncated and i == last)
        for i, packet in enumerate(case.packets)
    ]
    seen = read_side_log(run(kind, datagrams, case.plan, case.options), case)

    assert [row[:-1] for row in case.rows] == [row[:-1] for row in seen.rows]
    assert [row.value for row in case.rows] == pytest.approx(
        [row.value for row in seen.rows], rel=1e-12
    )
    assert case.events == seen.events
    assert case.checks == seen.checks
    assert expected_counts(case, seen.accounts) == counts(seen.accounts)
    assert [] == broken_equations(seen.accounts)


def test_there_are_enough_cases() -> None:
    """The table of cases does not shrink below what the protocol takes to pin down."""
    assert len(CASES) >= 300


def test_every_vector_of_veneur_is_a_case() -> None:
    """None of the packets whose reading by Veneur is known is left out."""
    assert 120 == len(vectors()) == len(list(vector_cases()))


def test_differences_are_differences() -> None:
    """Each packet that is marked as read otherwise than by Veneur is a vector, is, and says why."""
    veneur = {key_of(raw): raw for raw in map(as_veneur_reads, vectors())}
    for key, ours in differences().items():
        assert key in veneur
        assert ours.get("note")
        theirs, mine = build("veneur", veneur[key]), build("ours", ours)
        assert (theirs.rows, theirs.events, theirs.checks, theirs.accounts) != (
            mine.rows,
            mine.events,
            mine.checks,
            mine.accounts,
        )


def read_side_log(outcome: Outcome, case: Case) -> Seen:
    """Parses events and checks and settles their accounts."""
    seen = Seen(outcome.rows, add_accounts([outcome.total]))
    for _, line in outcome.side_log:
        seen.accounts.pending -= 1
        if line.startswith(b"_e{"):
            event = parse_event(line, NOW_S, case.options.extend_tags)
            seen.events += [event] if event else []
            seen.accounts.rejected["bad_event"] += event is None
            seen.accounts.accepted += event is not None
        else:
            check = parse_check(line, NOW_S, case.options.extend_tags)
            seen.checks += [check] if check else []
            seen.accounts.rejected["bad_check"] += check is None
            seen.accounts.accepted += check is not None
    return seen


def counts(accounts: Accounts) -> dict[str, int]:
    """The accounts by the names that cases use."""
    flat = {
        name: getattr(accounts, name)
        for name in ("datagrams", "bytes", "whole", "truncated", "lines", "accepted", "values")
    }
    for group in ("rejected", "values_rejected", "ignored"):
        flat |= {f"{group}.{key}": n for key, n in getattr(accounts, group).items()}
    return flat


def expected_counts(case: Case, accounts: Accounts) -> dict[str, int]:
    """The named accounts as named, other reasons and ignored fields 0, the rest as it is."""
    seen = counts(accounts)
    assert set(case.accounts) <= set(seen)
    expected = {name: 0 if "." in name or name == "truncated" else n for name, n in seen.items()}
    return expected | case.accounts
