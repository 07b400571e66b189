"""Samples whose totals are known, sent to every node that receives, for as long as wanted."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.chaos.process import Node

COUNTERS = 10
TIMERS = 4
PAUSE_S = 0.02
AT_ONCE = 3
"""Datagrams to each node after each pause."""
ECHO = "echo"
"""Published where it is received, once a datagram: what the fleet has to publish is known by it."""
ALL = "all"
"""Published by its owner, once a datagram."""
MEMBERS = "members"


def datagram(node: str, number: int) -> bytes:
    """Samples of global scope, and one of the node's own at the end."""
    return (
        f"{ALL}:1|c|#veneurglobalonly\n"
        f"count:{number % 7 + 1}|c|#i:{number % COUNTERS},veneurglobalonly\n"
        f"time:{number % 100}|ms|#i:{number % TIMERS},veneurglobalonly\n"
        f"{MEMBERS}:{node}-{number}|s\n"
        f"{ECHO}:1|c"
    ).encode()


def expected(numbers: int) -> Counter[tuple[str, tuple[str, ...]]]:
    """What so many datagrams of one node add to each (name, tags) that adds up."""
    sums: Counter[tuple[str, tuple[str, ...]]] = Counter()
    for number in range(numbers):
        sums[ALL, ()] += 1
        sums[ECHO, ()] += 1
        sums["count", (f"i:{number % COUNTERS}",)] += number % 7 + 1
        sums["time.count", (f"i:{number % TIMERS}",)] += 1
        sums["time.sum", (f"i:{number % TIMERS}",)] += number % 100
    return sums


class Workload:
    """Sends to nodes from a thread. `resume` and `pause` it; `sent` is exact while it is paused."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.sent: Counter[str] = Counter()
        """Datagrams, by node."""
        self._nodes = nodes
        self._going = threading.Event()
        self._ended = threading.Event()
        self._idle = threading.Event()
        self._thread = threading.Thread(target=self._run, name="workload")
        self._thread.start()

    def resume(self) -> None:
        """Sends."""
        self._going.set()

    def pause(self) -> None:
        """Returns when nothing more is sent."""
        self._going.clear()
        self._idle.clear()
        self._idle.wait()

    def close(self) -> None:
        """Ends the thread."""
        self._ended.set()
        self._thread.join()

    def expected(self) -> Counter[tuple[str, tuple[str, ...]]]:
        """What all that was sent comes to."""
        total: Counter[tuple[str, tuple[str, ...]]] = Counter()
        for count in self.sent.values():
            total += expected(count)
        return total

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            while not self._ended.wait(PAUSE_S):
                if not self._going.is_set():
                    self._idle.set()
                    continue
                for node in self._nodes:
                    for _ in range(AT_ONCE):
                        line = datagram(node.name, self.sent[node.name])
                        sender.sendto(line, ("127.0.0.1", node.port))
                        self.sent[node.name] += 1


@contextmanager
def workload(nodes: Sequence[Node]) -> Iterator[Workload]:
    """A workload that ends with the block, and begins when told."""
    made = Workload(nodes)
    try:
        yield made
    finally:
        made.close()
