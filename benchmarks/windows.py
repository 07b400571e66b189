"""CPU time per datagram, measured in windows of load on a receiver that runs all the time."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.load import Load, finish, start_sending
from benchmarks.process import cpu_s, udp_drops, udp_queued_bytes

WARM_S = 0.3
WINDOW_S = 1.6


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
    cpu_us: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """CPU microseconds of the receiver for a datagram that it took."""
    drops: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Datagrams that the kernel dropped."""
    taken: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Lines a second that the receiver took."""

    def take(self, name: str, receiver: Receiving, load: Load, rate: float) -> None:
        """Measures one window at so many datagrams/s (0: as many as can be sent)."""
        pid, port = receiver.pid, receiver.port
        finish(start_sending(load, port, rate=rate, seconds=WARM_S, receiver_pid=pid))
        wait_until_read(receiver)
        before_s, dropped_before = cpu_s(pid), udp_drops(port, pid)
        sender = start_sending(load, port, rate=rate, seconds=self.window_s, receiver_pid=pid)
        sent = finish(sender)
        wait_until_read(receiver)
        used_s, dropped = cpu_s(pid) - before_s, udp_drops(port, pid) - dropped_before
        self.cpu_us[name].append(1e6 * used_s / (sent.datagrams - dropped))
        self.drops[name].append(dropped)
        self.taken[name].append((sent.datagrams - dropped) * load.lines_each / sent.elapsed_s)


def wait_until_read(receiver: Receiving) -> None:
    """Returns when its sockets are empty and what was read has been worked on."""
    while udp_queued_bytes(receiver.port, receiver.pid):
        time.sleep(0.005)
    time.sleep(0.02)
