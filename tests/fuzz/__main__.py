"""Fuzzes for some time: `python -m tests.fuzz --build build/fuzz --seconds 60 lines arenas`.

Each target gets its share of the time, in a process of its own. What it has learned stays in
`build/fuzz/<target>`; an input that is a finding lies in `build/fuzz/findings`.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

import atheris

TARGETS = ("lines", "sketches", "arenas", "wire", "origin", "dog")
EXECUTIONS = re.compile(rb"stat::number_of_executed_units: (\d+)")
PRELOAD = Path(atheris.path()) / "asan_with_fuzzer.so"
ENVIRONMENT = {
    "LD_PRELOAD": str(PRELOAD),
    "PYTHONMALLOC": "malloc",
    "ASAN_OPTIONS": "detect_leaks=0:allocator_may_return_null=1",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}
GRACE_S = 120
"""An input that takes this long is a finding."""


def main() -> int:
    """Returns 1 when there was a finding."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", default=TARGETS, metavar="target")
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together")
    parser.add_argument("--build", type=Path, required=True, help="the instrumented modules")
    asked = parser.parse_args()
    executions = findings = 0
    for target in asked.targets:
        ran, failed = fuzz(target, asked.build, asked.seconds // len(asked.targets))
        print(f"{target}: {ran:,} executions, {int(failed)} findings", flush=True)
        executions += ran
        findings += failed
    print(f"{executions:,} executions, {findings} findings")
    return 1 if findings else 0


def fuzz(target: str, build: Path, seconds: int) -> tuple[int, bool]:
    """(executions, whether it ended with a finding) of one target."""
    found = build / "findings"
    found.mkdir(exist_ok=True)
    command = [
        *(sys.executable, "-m", "tests.fuzz.target", target, str(build / target)),
        *(f"-max_total_time={seconds}", f"-timeout={GRACE_S}", "-print_final_stats=1"),
        *(f"-artifact_prefix={found}/{target}-", "-max_len=4096", "-rss_limit_mb=4096"),
    ]
    environment = os.environ | ENVIRONMENT | {"VENEURPY_BUILD": str(build)}
    done = subprocess.run(command, env=environment, stderr=subprocess.PIPE, check=False)
    if done.returncode:
        sys.stderr.buffer.write(done.stderr[-20_000:])
    number = EXECUTIONS.search(done.stderr)
    return int(number[1]) if number else 0, done.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
