"""Steps the native engine through a scenario and salvages its arenas after every instruction."""

from __future__ import annotations

import ctypes
import json
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.engines import NOW_NS, START_MS
from tests.recovery.prefixes import Prefixes, State
from tests.recovery.scenarios import ROTATE, STORE_BYTES, Scenario
from tests.recovery.tracing import STOPPED, Tracee
from veneurpy.engine import Engine, EngineOptions, Interval, open_engine

ROOT = Path(__file__).parents[2]
LOW_MARGIN, HIGH_MARGIN = 16 << 10, 64 << 10  # more than one datagram of a scenario can take
PAGE = 4096
ZEROS = bytes(PAGE)
NO_REP_STRINGS = (
    "glibc.cpu.x86_rep_movsb_threshold=1073741824:glibc.cpu.x86_rep_stosb_threshold=1073741824"
)
"""`rep movsb` would be one step a byte: memcpy and memset are to use their loops."""

_memcmp = ctypes.CDLL(None).memcmp
_memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


@dataclass
class Finding:
    """What stepping through a scenario showed."""

    instants: int = 0
    salvaged: int = 0
    """Instants at which the files had changed since the one before."""
    states: list[State] = field(default_factory=list)
    """The distinct states in their order."""
    torn: list[str] = field(default_factory=list)
    """Instants at which the files held no prefix."""

    def __repr__(self) -> str:
        return (
            f"{self.instants:,} instants, {self.salvaged:,} of them salvaged anew, "
            f"{len(self.states)} states, {len(self.torn)} torn"
        )


class Watched:
    """A file's used ends, compared with what they were at the last look."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), 0)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        self._ends: list[tuple[int, bytes]] = []
        self._low, self._high = self._take_ends()

    def settle(self) -> None:
        """Takes what is used now, and room to grow, as what is compared from now on."""
        low, high = self._low, self._high
        self._low, self._high = self._take_ends()
        assert self._low - LOW_MARGIN <= low, "it has grown beyond what was compared"
        assert self._high - HIGH_MARGIN <= high, "it has grown beyond what was compared"

    def _take_ends(self) -> tuple[int, int]:
        size, half = len(self._map), len(self._map) // 2
        pages = [at for at in range(0, size, PAGE) if self._map[at : at + PAGE] != ZEROS]
        low = max([at + PAGE for at in pages if at < half], default=0) + LOW_MARGIN
        high = size - min([at for at in pages if at >= half], default=size) + HIGH_MARGIN
        self._ends = [(0, self._map[:low]), (size - min(high, size), self._map[-high:])]
        return low, high

    def has_changed(self) -> bool:
        """Whether it is not what it was at the last look."""
        changed = False
        for i, (at, before) in enumerate(self._ends):
            if _memcmp(self._address + at, before, len(before)):
                self._ends[i] = (at, self._map[at : at + len(before)])
                changed = True
        return changed


class Salvager:
    """Reads the arenas of a living, stopped process as a successor would, leaving them."""

    def __init__(self, arenas: Path, view: Path, gauge_ttl_s: float = 0.0) -> None:
        self._arenas = arenas
        self._gauge_ttl_s = gauge_ttl_s
        self._seen: list[Path] = []
        self._view = view
        self._engine: Engine | None = None
        self.watched: list[Watched] = []

    def look_around(self) -> None:
        """Between calls: files may have been made, and what they use has grown."""
        self._keep_up()
        for watched in self.watched:
            watched.settle()

    def has_changed(self) -> bool:
        """Whether any file is not what it was at the last look."""
        # Not any(): each of them has to look.
        return bool(sum([watched.has_changed() for watched in self.watched]))

    def intervals(self) -> Sequence[Interval]:
        """What a process that started now would recover."""
        self._keep_up()
        assert self._engine is not None
        # What holds nothing is removed by `recovered`: here that is a link.
        self._link(self._seen)
        found = self._engine.recovered()
        assert not self._engine.unreadable, self._engine.unreadable
        return found

    def close(self) -> None:
        if self._engine is not None:
            self._engine.close()

    def _keep_up(self) -> None:
        """Files may have been made, or have gone."""
        paths = sorted(self._arenas.glob("*.arena"))
        if self._engine is not None and paths == self._seen:
            return
        self.close()
        self._view.mkdir(exist_ok=True)
        for link in self._view.glob("*.arena"):
            link.unlink()
        self._link(paths)
        options = EngineOptions(
            arena_dir=str(self._view),
            store_max_bytes=STORE_BYTES,
            gauge_ttl_s=self._gauge_ttl_s,
        )
        self._engine = open_engine("native", options, start_ms=START_MS)
        self._seen, self.watched = paths, [Watched(path) for path in paths]

    def _link(self, paths: Sequence[Path]) -> None:
        for path in paths:
            link = self._view / path.name
            if not link.is_symlink():
                link.symlink_to(path)


def step_through(
    scenario: Scenario, directory: Path, *, package_root: Path = ROOT, skip_sorting: bool = False
) -> Finding:
    """Runs a scenario in a child of its own, which imports veneurpy from `package_root`.

    With `skip_sorting` two functions that work in scratch memory only are run at full speed: half
    of a compaction. The files are compared after them as after an instruction.
    """
    finding = Finding()
    prefixes = Prefixes(scenario)
    salvager = Salvager(directory / "arenas", directory / "view", scenario.gauge_ttl_s)
    with _start(scenario, directory / "arenas", package_root) as tracee:
        salvager.look_around()
        _look(salvager, prefixes, finding, "before the first instruction")
        for number, name in enumerate(tracee.calls()):
            if salvager.has_changed():
                assert ROTATE in scenario.traced, "written beside the steps"
                _look(salvager, prefixes, finding, f"before call {number} ({name})", True)
            salvager.look_around()
            for instant, _ in enumerate(tracee.instructions(lambda: skip_sorting), 1):
                finding.instants += 1
                if salvager.has_changed():
                    _look(salvager, prefixes, finding, f"call {number} ({name}) + {instant}")
    salvager.close()
    prefixes.require_end(finding.states[-1])
    return finding


def _look(
    salvager: Salvager, prefixes: Prefixes, finding: Finding, where: str, may_vanish: bool = False
) -> None:
    finding.salvaged += 1
    state, wrong = prefixes.judge(salvager.intervals(), may_vanish)
    if state not in finding.states[-1:]:
        finding.states.append(state)
    if wrong:
        finding.torn.append(f"{where}: {wrong}")


@contextmanager
def _start(scenario: Scenario, arenas: Path, package_root: Path) -> Iterator[Tracee]:
    """A child that has done what comes before, and stopped."""
    told = {
        "arena_dir": str(arenas),
        "store_max_bytes": scenario.store_bytes,
        "budget": asdict(scenario.budget),
        "is_statsd": scenario.is_statsd,
        "gauge_ttl_s": scenario.gauge_ttl_s,
        "start_ms": START_MS,
        "now_ns": NOW_NS,
        "before": [action.decode("latin-1") for action in scenario.before],
        "traced": [action.decode("latin-1") for action in scenario.traced],
    }
    with traced_child("stepped.py", told, package_root) as tracee:
        yield tracee


@contextmanager
def traced_child(
    script: str, told: dict[str, Any], package_root: Path, fds: Sequence[int] = ()
) -> Iterator[Tracee]:
    """A child that runs a script of this folder, was told what to do, and has stopped."""
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name(script))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(package_root), "GLIBC_TUNABLES": NO_REP_STRINGS},
        pass_fds=fds,
    )
    with child:
        try:
            assert child.stdin
            assert child.stdout
            json.dump(told, child.stdin)
            child.stdin.close()
            said = json.loads(child.stdout.readline())
            assert Path(said["package"]).is_relative_to(package_root), said
            _, status = os.waitpid(child.pid, 0)
            assert status == STOPPED | signal.SIGSTOP << 8, hex(status)
            yield Tracee(child, said["stepped"], said["skipped"])
        finally:
            if child.returncode is None:
                child.kill()
