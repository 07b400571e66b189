"""Between the kernel's hands and the store: what a death there takes along is counted exactly."""

from __future__ import annotations

import os
import platform
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from benchmarks.held import udp_socket
from tests.engines import START_MS, needs_native, rows
from tests.recovery.mutants import build
from tests.recovery.prefixes import PLAN
from tests.recovery.stepping import ROOT, STORE_BYTES, Salvager, traced_child

pytestmark = [
    needs_native,
    pytest.mark.skipif(
        sys.platform != "linux" or platform.machine() != "x86_64",
        reason="single-stepping is written for x86-64 Linux",
    ),
    pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="steps would be ASan's"),
    pytest.mark.timeout(300),
]

BATCH = 64
DATAGRAMS = BATCH + 6
STEPPED = {*range(3), *range(BATCH - 2, BATCH + 3), *range(DATAGRAMS - 2, DATAGRAMS)}
"""Those of which each instruction is seen: the first and last of a batch. The others are alike."""
IS_LONG = os.environ.get("VENEURPY_RECOVERY") == "long"


@dataclass
class Seen:
    """What a death would have left, at every instant at which something had changed."""

    instants: int = 0
    looks: list[tuple[int, int, int]] = field(default_factory=list)
    """(datagrams that the kernel had handed over, applied ones, those counted as lost)."""
    wrong: list[str] = field(default_factory=list)

    @property
    def unnamed(self) -> list[tuple[int, int, int]]:
        """The instants at which a datagram would have been missing from all accounts."""
        return [
            (taken, applied, lost) for taken, applied, lost in self.looks if taken > applied + lost
        ]

    def __repr__(self) -> str:
        return (
            f"{self.instants:,} instants, {len(self.looks):,} of them salvaged anew, "
            f"{len(self.unnamed)} with a datagram in no account"
        )


def _taken(sock: socket.socket) -> int:
    """How many datagrams were taken from the socket: the first that is left has its number."""
    try:
        return int(sock.recv(100, socket.MSG_PEEK | socket.MSG_DONTWAIT).split(b":")[1][:-2])
    except BlockingIOError:
        return DATAGRAMS


def _is_alike(number: int) -> bool:
    """Whether what becomes of a datagram is seen in others, instruction by instruction."""
    return number not in STEPPED and not IS_LONG


def _look(salvager: Salvager, sock: socket.socket, seen: Seen) -> None:
    applied = lost = 0
    newest = -1.0
    for interval in salvager.intervals():
        (accounts,) = [accounts for _, accounts in interval.accounts]
        applied += sum(accounts.aggregated.values())
        lost += accounts.lost_in_crash
        newest = max([newest, *(row.value for row in rows(interval.columns(PLAN)))])
        if interval.broken:
            seen.wrong.append(f"{interval.broken} broken after {seen.instants}")
    if newest != applied - 1:
        seen.wrong.append(f"{applied} applied, and the newest is {newest}")
    seen.looks.append((_taken(sock), applied, lost))


def _step_through(
    directory: Path,
    *,
    rotate: bool,
    package_root: Path = ROOT,
    is_enough: Callable[[Seen], bool] = lambda seen: False,
) -> Seen:
    """Steps a reader's loop through all that is queued, or until enough is seen."""
    seen = Seen()
    numbers = count()
    salvager = Salvager(directory / "arenas", directory / "view")
    with udp_socket(1 << 20) as sock, socket.socket(type=socket.SOCK_DGRAM) as sender:
        for number in range(DATAGRAMS):
            sender.sendto(b"g:%d|g" % number, sock.getsockname())
        told = {
            "arena_dir": str(directory / "arenas"),
            "store_max_bytes": STORE_BYTES,
            "start_ms": START_MS,
            "fd": sock.fileno(),
            "rotate": rotate,
        }
        with traced_child("received.py", told, package_root, [sock.fileno()]) as tracee:
            salvager.look_around()
            for _ in tracee.calls():
                for _ in tracee.instructions(lambda: _is_alike(next(numbers))):
                    seen.instants += 1
                    if salvager.has_changed():
                        _look(salvager, sock, seen)
                        if is_enough(seen):
                            salvager.close()
                            return seen
    salvager.close()
    return seen


@pytest.mark.parametrize("rotate", [False, True], ids=["steadily", "with a rotation"])
def test_what_was_in_hand_is_counted(rotate: bool, tmp_path: Path) -> None:
    """At each instant: handed over = applied + lost, and lost is one batch at the most."""
    seen = _step_through(tmp_path, rotate=rotate)
    print(repr(seen))
    assert [] == seen.wrong[:5]
    assert [] == seen.unnamed[:5]
    # Before that the reader only writes where the kernel is to put the senders.
    first = next(look for look in seen.looks if look[0])
    assert (BATCH, 0, BATCH) == first if not rotate else (BATCH, 0, BATCH) in seen.looks
    assert (DATAGRAMS, DATAGRAMS, 0) == seen.looks[-1]
    # Only while an arena is swapped for another a batch is in both.
    doubled = sum(lost > BATCH for _, _, lost in seen.looks)
    assert doubled == 0 if not rotate else doubled <= 3
    assert seen.instants > 1000


def test_a_death_within_the_receive_call_would_be_seen(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """A reader that counts only what the call has returned to it is found out."""
    mutant = build(tmp_path_factory.mktemp("mutant"), ["receiver.pyx"])
    seen = _step_through(
        tmp_path, rotate=False, package_root=mutant, is_enough=lambda seen: bool(seen.unnamed)
    )
    print(repr(seen))
    assert (BATCH, 0, 0) in seen.unnamed
