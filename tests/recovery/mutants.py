"""The native engine with orders of writes that are wrong, to see that the harness finds them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.recovery.stepping import ROOT

NATIVE = Path("veneurpy/engine/native")
COMPILER_FLAGS = f"-O2 -fno-math-errno -I{NATIVE}"

MUTATIONS = {
    # A digest is compacted in place.
    "blocks.pyx": [
        (
            "    _digest_into(a, e, old, b, n, pairs, s)\n    block_free(a, old)\n    return b\n",
            "    cdef Entry aside\n"
            "    _digest_into(a, &aside, old, b, n, pairs, s)\n"
            "    if old.size_class == DIGEST_CLASS:\n"
            "        memcpy(old, b, class_bytes(a, DIGEST_CLASS))\n"
            "        block_free(a, b)\n"
            "        b = old\n"
            "    _publish(e, block_reference(a, b), 0)\n"
            "    _remember(e, b)\n"
            "    return b\n",
        ),
    ],
    "store.pyx": [
        # A sample counts before it is there.
        (
            "    (<double*>samples_at(s.arena, e))[n] = value\n    barrier()\n    e.lo += 1\n",
            "    e.lo += 1\n    barrier()\n    (<double*>samples_at(s.arena, e))[n] = value\n",
        ),
        # A counter's sum and count are two stores.
        (
            "    store_pair(&e.lo, bits, counted(bits, pair_count(e.hi) + it.n))\n",
            "    cdef u64 count = counted(bits, pair_count(e.hi) + it.n)\n"
            "    e.lo = bits\n    barrier()\n    e.hi = count\n",
        ),
    ],
    # What the kernel hands over is counted when it has returned.
    "receiver.pyx": [("    arena.header.receives = RECEIVES\n", "    pass\n")],
}


def build(directory: Path, names: Sequence[str]) -> Path:
    """A package root in `directory` whose veneurpy has the mutations of the modules named."""
    shutil.copytree(
        ROOT / "veneurpy",
        directory / "veneurpy",
        ignore=shutil.ignore_patterns("*.c", "__pycache__"),
    )
    for name in names:
        path = directory / NATIVE / name
        text = path.read_text()
        for before, after in MUTATIONS[name]:
            assert text.count(before) == 1, f"{name} no longer has this once:\n{before}"
            text = text.replace(before, after)
        path.write_text(text)
    subprocess.run(
        [
            *(sys.executable, "-m", "Cython.Build.Cythonize", "-i", "-3", "-q", "-j2"),
            *(str(NATIVE / name) for name in names),
        ],
        cwd=directory,
        env={**os.environ, "CFLAGS": COMPILER_FLAGS},
        check=True,
        capture_output=True,
    )
    return directory
