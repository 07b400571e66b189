"""CPU time per datagram, measured in windows of load on a receiver that runs all the time."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.load import Load, finish, start_sending
from benchmarks.process import cpu_s, udp_drops, udp_queued_bytes

WARM_S = 0.3
WINDOW_S = 1.2
FLUSHED_S = 1.5
"""After an interval's end its flush is over by then."""
REST_S = 0.5
"""What a window may take beside the load."""
WARM_INTERVALS = 2
"""From then on a daemon's memory goes round, as that of one which has run for long."""


class Receiving(Protocol):
    """Any process that reads a port."""

    @property
    def pid(self) -> int: ...
    @property
    def port(self) -> int: ...


@dataclass(slots=True)
class Windows:
    """What windows of load found, by what was measured: a value a round each."""

    window_s: float = WINDOW_S
    interval_s: float = 0.0
    """Of the receivers: none ends in a window. 0: any may."""
    cpu_us: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """CPU microseconds of the receiver for a datagram that it took."""
    drops: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Datagrams that the kernel dropped."""
    taken: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Lines a second that the receiver took."""

    def warm(self, receivers: Collection[tuple[Receiving, Load]], rate: float) -> None:
        """Fills some intervals of theirs before anything is measured."""
        for _ in range(WARM_INTERVALS):
            self._wait_for_quiet(self.window_s)
            for receiver, load in receivers:
                _fill(receiver, load, rate, seconds=self.window_s)
            time.sleep(self.interval_s - time.time() % self.interval_s)

    def take(
        self,
        name: str,
        receiver: Receiving,
        load: Load,
        rate: float,
        *,
        seconds: float | None = None,
    ) -> None:
        """Measures one window at so many datagrams/s (0: as many as can be sent)."""
        window_s = self.window_s if seconds is None else seconds
        self._wait_for_quiet(window_s)
        pid, port = receiver.pid, receiver.port
        _fill(receiver, load, rate, seconds=WARM_S)
        before_s, dropped_before = cpu_s(pid), udp_drops(port, pid)
        sender = start_sending(load, port, rate=rate, seconds=window_s, receiver_pid=pid)
        sent = finish(sender)
        wait_until_read(receiver)
        used_s, dropped = cpu_s(pid) - before_s, udp_drops(port, pid) - dropped_before
        self.cpu_us[name].append(1e6 * used_s / (sent.datagrams - dropped))
        self.drops[name].append(dropped)
        self.taken[name].append((sent.datagrams - dropped) * load.lines_each / sent.elapsed_s)

    def _wait_for_quiet(self, window_s: float) -> None:
        if self.interval_s:
            time.sleep(seconds_to_quiet(time.time(), self.interval_s, WARM_S + window_s))


def seconds_to_quiet(now_s: float, interval_s: float, load_s: float) -> float:
    """How long to wait, so that no interval ends, and none is flushed, under so much load."""
    since_s = now_s % interval_s
    left_s = interval_s - since_s
    if left_s < load_s + REST_S:
        return left_s + FLUSHED_S
    return max(0.0, FLUSHED_S - since_s)


def _fill(receiver: Receiving, load: Load, rate: float, *, seconds: float) -> None:
    finish(
        start_sending(load, receiver.port, rate=rate, seconds=seconds, receiver_pid=receiver.pid)
    )
    wait_until_read(receiver)


def wait_until_read(receiver: Receiving) -> None:
    """Returns when its sockets are empty and what was read has been worked on."""
    while udp_queued_bytes(receiver.port, receiver.pid):
        time.sleep(0.005)
    time.sleep(0.02)
