"""Compiles the C yardsticks, once per change of their sources."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

SOURCES = Path(__file__).parent / "yardsticks"
BINARIES = Path(__file__).parent / "bin"
FLAGS = ("-O2", "-std=gnu11", "-Wall", "-Wextra")


class CompilerMissing(RuntimeError):
    """There is no C compiler."""


def build(name: str) -> Path:
    """The path of the compiled `yardsticks/<name>.c`, compiled now if it is older than any source.

    Safe to call from several processes at once: the binary is moved into place whole.
    """
    source, binary = SOURCES / f"{name}.c", BINARIES / name
    newest = max(path.stat().st_mtime for path in (source, *SOURCES.glob("*.h")))
    if binary.exists() and binary.stat().st_mtime >= newest:
        return binary
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise CompilerMissing(
            "the benchmarks need a C compiler: install one (Debian: apt install gcc)"
        )
    BINARIES.mkdir(exist_ok=True)
    fresh = binary.with_suffix(f".{os.getpid()}")
    subprocess.run([compiler, *FLAGS, "-o", str(fresh), str(source)], check=True)
    fresh.replace(binary)
    return binary
