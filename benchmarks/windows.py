"""CPU time per datagram, measured in windows of load on a receiver that runs all the time."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.load import Load, finish, start_sending
from benchmarks.process import cpu_s, udp_drops, udp_queued_bytes

WARM_S = 0.5
WINDOW_S = 3.0


class Receiving(Protocol):
    """Any process that reads a port."""

    @property
    def pid(self) -> int: ...
    @property
    def port(self) -> int: ...


@dataclass(slots=True)
class Windows:
    """CPU microseconds a datagram, and drops, by what was measured; a value a round."""

    rate: float
    cpu_us: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    drops: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def take(self, name: str, receiver: Receiving, load: Load) -> None:
        """Measures one window."""
        finish(start_sending(load, receiver.port, rate=self.rate, seconds=WARM_S))
        wait_until_read(receiver.port)
        before_s, dropped_before = cpu_s(receiver.pid), udp_drops(receiver.port)
        sent = finish(start_sending(load, receiver.port, rate=self.rate, seconds=WINDOW_S))
        wait_until_read(receiver.port)
        used_s, dropped = cpu_s(receiver.pid) - before_s, udp_drops(receiver.port) - dropped_before
        self.cpu_us[name].append(1e6 * used_s / (sent.datagrams - dropped))
        self.drops[name].append(dropped)


def wait_until_read(port: int) -> None:
    """Returns when the port's sockets are empty and what was read has been worked on."""
    while udp_queued_bytes(port):
        time.sleep(0.005)
    time.sleep(0.02)
