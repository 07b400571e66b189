"""The table of instructions that a change is compared to: instructions.json."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

TABLE = Path(__file__).parent / "instructions.json"
TOLERANCE = 1.02


@dataclass(frozen=True, slots=True)
class Kept:
    """Instructions a line, by what was counted, and the compiler they hold for."""

    compiler: str
    counts: Mapping[str, float]


def compiler() -> str:
    """The C compiler's first line about itself."""
    command = [os.environ.get("CC", "cc"), "--version"]
    return subprocess.check_output(command, text=True).splitlines()[0]


def read() -> Kept:
    """The table; an empty one of no compiler if there is none."""
    return Kept(**json.loads(TABLE.read_text())) if TABLE.exists() else Kept("none", {})


def write(counts: Mapping[str, float]) -> None:
    """Replaces the table."""
    rounded = {what: round(count, 1) for what, count in counts.items()}
    TABLE.write_text(json.dumps(asdict(Kept(compiler(), rounded)), indent=1) + "\n")


def moved(before: Mapping[str, float], now: Mapping[str, float]) -> list[str]:
    """What differs by more than the tolerance, with its two counts."""
    return [
        f"{what} ({before[what]:.1f} to {count:.1f})"
        for what, count in now.items()
        if what in before and not 1 / TOLERANCE <= count / before[what] <= TOLERANCE
    ]
