"""The modules that are compiled: each .pyx of the native engine. All else is in pyproject.toml."""

from __future__ import annotations

from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("veneurpy/engine/native")
HEADERS = sorted(map(str, NATIVE.glob("*.h")))
FLAGS = [
    "-O2",
    "-fno-math-errno",
    "-ffp-contract=off",  # sketches are the same on every machine: each product is rounded
]

setup(
    ext_modules=[
        Extension(
            f"veneurpy.engine.native.{source.stem}",
            [str(source)],
            include_dirs=[str(NATIVE)],
            depends=HEADERS,
            extra_compile_args=FLAGS,
        )
        for source in sorted(NATIVE.glob("*.pyx"))
    ]
)
