"""Whether what is recovered is an exact prefix of a script, as the reference engine has it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from tests.engines import (
    END_MS,
    NOW_NS,
    START_MS,
    Outcome,
    Row,
    add_accounts,
    broken_equations,
    close_interval,
    rows,
)
from tests.recovery.scenarios import ROTATE, Scenario
from veneurpy.engine import (
    EngineOptions,
    Grammar,
    Interval,
    MetricType,
    Output,
    Plan,
    PointType,
    Statistic,
    open_engine,
)

PLAN = Plan(
    tuple(
        Output(f"#{word.name.lower()}", word, PointType.GAUGE)
        for word in (
            Statistic.COUNT,
            Statistic.SUM,
            Statistic.MIN,
            Statistic.MAX,
            Statistic.MEDIAN,
        )
    )
)
EXACT_MEMBERS = 1536
SET_TOLERANCE = 0.03
LINES_AT_ONCE = 20

State = tuple[tuple[int, int], ...]
"""(number of the interval, samples and side lines in it) of every interval that holds any."""


class Prefixes:
    """The states that a script's arenas may be found in, and the order of them."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        script = [*scenario.before, *scenario.traced]
        self._units: list[list[bytes]] = [[]]
        for action in script:
            if action == ROTATE:
                self._units.append([])
            else:
                self._units[-1] += [unit for line in action.split(b"\n") for unit in units(line)]
        self._seen: dict[int, int] = {}
        self._gone: set[int] = set()
        self._expected = cache(self._expect)

    def __repr__(self) -> str:
        return f"<Prefixes {[len(of_one) for of_one in self._units]}, at {self._seen}>"

    def judge(self, intervals: Sequence[Interval], may_vanish: bool) -> tuple[State, str]:
        """What state it is, and what is wrong with it, if anything is.

        An interval that was released may vanish, as a whole.
        """
        state = tuple(
            (interval.start_ms - START_MS, count)
            for interval in intervals
            if (count := _count(interval))
        )
        wrong = [
            difference
            for interval in intervals
            for difference in self._differences(interval, dict(state))
        ]
        return state, "; ".join(wrong + self._disorder(state, may_vanish))

    def require_end(self, state: State) -> None:
        """The script was seen to its end."""
        last = len(self._units) - 1
        assert (last, len(self._units[last])) in state

    def _differences(self, interval: Interval, state: dict[int, int]) -> list[str]:
        number = interval.start_ms - START_MS
        count = state.get(number, 0)
        if number >= len(self._units) or count > len(self._units[number]):
            return [f"{count} samples in interval {number}"]
        expected = self._expected(number, count)
        found = sorted(rows(interval.columns(PLAN)))
        total = add_accounts(accounts for _, accounts in interval.accounts)
        lost = sum(accounts.lost_in_crash for _, accounts in interval.accounts)
        return [
            *_row_differences(expected.rows, found, self._scenario.rank_tolerance),
            *(["side log"] if expected.side_log != list(interval.side_log) else []),
            *([f"{interval.series} series"] if expected.series != interval.series else []),
            *([f"{interval.broken} broken"] if interval.broken else []),
            *([f"{lost} lost"] if lost > 1 else []),
            *broken_equations(total),
        ]

    def _disorder(self, state: State, may_vanish: bool) -> list[str]:
        """Nothing goes back; what was closed is there as a whole until it is gone for good."""
        now = dict(state)
        vanished = {number: count for number, count in self._seen.items() if number not in now}
        wrong = [
            f"interval {number} has {count} of {len(self._units[number])}"
            for number, count in [*state[:-1], *vanished.items()]
            if count != len(self._units[number])
        ]
        if vanished and not may_vanish:
            wrong.append(f"gone: {vanished}")
        wrong += [f"{number} came back" for number in now if number in self._gone]
        wrong += [
            f"interval {number} went back from {self._seen[number]} to {count}"
            for number, count in state
            if count < self._seen.get(number, 0)
        ]
        self._gone |= vanished.keys()
        self._seen = now
        return wrong

    def _expect(self, number: int, count: int) -> Outcome:
        lines = self._units[number][:count]
        grammar = Grammar(is_statsd=self._scenario.is_statsd)
        options = EngineOptions(budgets=(self._scenario.budget,), grammar=grammar)
        engine = open_engine("python", options, start_ms=START_MS + number)
        reader = engine.open_reader("")
        for at in range(0, count, LINES_AT_ONCE):
            reader.feed(b"\n".join(lines[at : at + LINES_AT_ONCE]), now_ns=NOW_NS)
        return close_interval(engine, PLAN, END_MS)


def units(line: bytes) -> list[bytes]:
    """A line's samples, one a line; a side line is one."""
    if line.startswith(b"_"):
        return [line]
    packed, _, rest = line.partition(b"|")
    name, *values = packed.split(b":")
    return [name + b":" + value + b"|" + rest for value in values]


def _count(interval: Interval) -> int:
    total = add_accounts(accounts for _, accounts in interval.accounts)
    return sum(total.aggregated.values()) + total.pending


def _row_differences(expected: list[Row], found: list[Row], rank_tolerance: float) -> list[str]:
    if [row[:-1] for row in expected] != [row[:-1] for row in found]:
        return [f"{found} != {expected}"]
    return [
        f"{right} != {left.value}"
        for left, right in zip(expected, found, strict=True)
        if abs(left.value - right.value) > _tolerance(left, expected, rank_tolerance)
    ]


def _tolerance(row: Row, expected: list[Row], rank_tolerance: float) -> float:
    name, _, statistic = row.name.rpartition("#")
    if row.series_type is MetricType.SET:
        return SET_TOLERANCE * row.value if row.value >= EXACT_MEMBERS else 0
    if statistic != "median":
        return 0
    of_series = {r.name: r.value for r in expected if r[1:6] == row[1:6]}
    return rank_tolerance * (of_series[f"{name}#max"] - of_series[f"{name}#min"])
