"""The load generator: `yardsticks/loadgen.c`, from Python."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from benchmarks.build import build
from benchmarks.namespaces import entering

Mix = Literal["mixed", "counters", "timers", "sets", "attack"]


@dataclass(frozen=True, slots=True)
class Load:
    """What to send. The same load is the same bytes in the same order, everywhere."""

    mix: Mix = "mixed"
    series: int = 1000
    seed: int = 1
    lines_each: int = 1
    """Lines in one datagram."""
    in_sequence: bool = False
    """The series one after the other instead of at random."""

    def arguments(self) -> list[str]:
        """As the program takes them."""
        named = {
            "mix": self.mix,
            "series": self.series,
            "seed": self.seed,
            "lines-each": self.lines_each,
        }
        flags = ["--sequence"] if self.in_sequence else []
        return [text for key, value in named.items() for text in (f"--{key}", str(value))] + flags


@dataclass(frozen=True, slots=True)
class Sent:
    """What the load generator says it has really sent (or written)."""

    datagrams: int
    lines: int
    bytes: int
    values: Mapping[str, int]
    """By the type's letters: c, g, ms, h, s."""
    counter_sum: int
    elapsed_s: float
    rate: float
    """Datagrams per second, as reached."""


def start_sending(
    load: Load,
    port: int,
    *,
    rate: float,
    seconds: float,
    datagrams: int | None = None,
    burst: int = 16,
    sockets: int = 1,
    client: str = "127.0.0.1",
    receiver_pid: int | None = None,
) -> subprocess.Popen[str]:
    """Starts to send to 127.0.0.1:`port`, at `rate` datagrams/s (0: as fast as possible).

    Ends by itself after `seconds` or `datagrams`, whichever is first; `finish` tells what it sent.
    Datagrams leave in bursts of `burst`, or up to 64 when late; the bursts go round the `sockets`,
    all of the address `client`. It runs in the network namespace of `receiver_pid`, by default in
    our own.
    """
    command = [*entering(receiver_pid), str(build("loadgen")), "--port", str(port)]
    command += ["--rate", str(rate)]
    command += ["--seconds", str(seconds), "--burst", str(burst), "--sockets", str(sockets)]
    command += ["--from", client]
    if datagrams is not None:
        command += ["--datagrams", str(datagrams)]
    return subprocess.Popen([*command, *load.arguments()], stdout=subprocess.PIPE, text=True)


def finish(sender: subprocess.Popen[str]) -> Sent:
    """Waits for the end of a sender and reads what it says."""
    said, _ = sender.communicate()
    if sender.returncode != 0:
        raise RuntimeError(f"the load generator failed with status {sender.returncode}")
    return Sent(**json.loads(said))


def write_lines(load: Load, path: Path, lines: int) -> Sent:
    """Writes that many lines to a file, each with its LF."""
    command = [str(build("loadgen")), "--write", str(path)]
    command += ["--datagrams", str(lines // load.lines_each), *load.arguments()]
    return Sent(**json.loads(subprocess.check_output(command, text=True)))
