"""The yardstick in memory: `yardsticks/c_loop.c`, from Python."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Literal

from benchmarks.build import build

PASSES = 3
REFERENCE_RATE = 20e6
"""Absolute figures are given for a machine on which c_loop takes this many lines/s."""


def c_loop_rate(lines: Path, *, series: int, work: Literal["counters", "timers"]) -> float:
    """Lines per CPU second over `PASSES` passes of the file, after one that is not timed."""
    command = [str(build("c_loop")), str(lines), str(series), str(PASSES), work]
    said = json.loads(subprocess.check_output(command, text=True))
    return float(said["lines"] / said["cpu_s"])


def machine_speed(lines: Path) -> float:
    """Of this machine just now, as a multiple of the one that absolute figures are given for.

    `lines` are counters of 1,000 series.
    """
    return c_loop_rate(lines, series=1000, work="counters") / REFERENCE_RATE
