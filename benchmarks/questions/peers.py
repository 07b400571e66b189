"""What does a datagram cost other daemons?"""

from __future__ import annotations

from contextlib import ExitStack

from benchmarks.answers import Answer, Figure, ratios
from benchmarks.daemon import running_daemon
from benchmarks.load import Load
from benchmarks.peers.peer import running
from benchmarks.peers.veneur import VENEUR
from benchmarks.questions.udp_cpu import SETTINGS
from benchmarks.receivers import bare
from benchmarks.windows import Receiving, Windows

RATE = 50_000
PEERS = (VENEUR,)

METHOD = f"""\
As above, at {RATE:,} datagrams/s, the mix over 1,000 series. Each daemon has one reader and a
sink that discards, and is otherwise as it comes. Drops are the kernel's: the price of a receive
buffer that overflows. Daemons that are not installed are left out."""


def measure(rounds: int) -> Answer:
    """Answers it."""
    windows = Windows(RATE)
    with ExitStack() as stack:
        receivers: dict[str, Receiving] = {
            "bare": stack.enter_context(bare()),
            "veneurpy": stack.enter_context(running_daemon(SETTINGS)),
        }
        for peer in PEERS:
            if (started := stack.enter_context(running(peer))) is not None:
                receivers[peer.name] = started
        for _ in range(rounds):
            for name, receiver in receivers.items():
                windows.take(name, receiver, Load())
    names = [name for name in receivers if name != "bare"]
    cpu_us = windows.cpu_us
    figures = [ratios(name, cpu_us[name], cpu_us["bare"], "× bare") for name in names]
    figures += [Figure(name, "µs CPU a datagram", tuple(cpu_us[name])) for name in receivers]
    figures += [Figure(name, "kernel drops", tuple(windows.drops[name])) for name in receivers]
    return Answer("Other daemons", METHOD, tuple(figures))
