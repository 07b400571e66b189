"""Both engines, asked about the same traffic: by targets whose input is datagrams."""

from __future__ import annotations

from collections.abc import Sequence

from tests.engines import (
    NOW_NS,
    START_MS,
    Datagram,
    broken_equations,
    close_interval,
    feed,
    run,
)
from tests.property.compare import PLAN, differences, weights
from veneurpy.engine import EngineOptions, Process, open_engine

NEXT = b"\x1e"
"""Between two datagrams."""
READERS = 2
MOST_RUNS = 5000


class Bench:
    """A native engine that is used again and again: to open one takes longer than all the rest."""

    def __init__(self, options: EngineOptions) -> None:
        self._options = options
        self._engine = open_engine("native", options, start_ms=START_MS)
        self._readers = [self._engine.open_reader(f"reader {i}") for i in range(READERS)]
        self.runs = 0

    def now_ns(self) -> int:
        """Later each time, by more than an input has samples: a reader's gauges never go back."""
        return NOW_NS + self.runs * 1_000_000

    def run(
        self,
        traffic: list[Datagram],
        *,
        process: Process | None = None,
        asks_reference: bool = True,
    ) -> None:
        """An interval of its own: its accounts are balanced, and the reference says the same."""
        self.runs += 1
        feed(self._readers, traffic, "native", process)
        native = close_interval(self._engine, PLAN)
        # The next one begins where this one did.
        self._engine.rotate(START_MS).release()
        assert [] == [broken for _, a in native.accounts for broken in broken_equations(a)]
        if asks_reference:
            reference = run("python", traffic, PLAN, self._options, READERS, process)
            assert [] == differences(reference, native, weights(traffic, self._options))
            assert reference.accounts == native.accounts
            assert reference.series == native.series
            assert reference.side_log == native.side_log
            assert reference.type_conflicts == native.type_conflicts

    def close(self) -> None:
        self._engine.close()


class Benches:
    """A bench for each of some options, opened when it is wanted."""

    def __init__(self, options: Sequence[EngineOptions]) -> None:
        self._options = options
        self._open: dict[int, Bench] = {}

    def bench(self, choice: int) -> Bench:
        """The one for the options chosen; another one once its time has gone on too far."""
        number = choice % len(self._options)
        if number in self._open and self._open[number].runs >= MOST_RUNS:
            self._open.pop(number).close()
        if number not in self._open:
            self._open[number] = Bench(self._options[number])
        return self._open[number]

    def close(self) -> None:
        """Gives back what is kept from one input to the next."""
        while self._open:
            self._open.popitem()[1].close()
