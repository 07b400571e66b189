"""One target under the fuzzer: `python -m tests.fuzz.target lines build/fuzz/lines -options`."""

from __future__ import annotations

import hashlib
import importlib
import os
import sys
from pathlib import Path

import atheris

from tests.sanitized import use_build

PYTHON = ["veneurpy.capture", "veneurpy.engine.reference_protobuf"]
"""Modules that read files of strangers, in Python."""


def main() -> None:
    """Writes the seeds to the corpus and hands over to the fuzzer, which ends the process."""
    name, corpus = sys.argv[1], Path(sys.argv[2])
    use_build(Path(os.environ["VENEURPY_BUILD"]))
    # The native modules are compiled with what guides the fuzzer.
    with atheris.instrument_imports(include=PYTHON):
        target = importlib.import_module(f"tests.fuzz.{name}")
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in target.seeds():
        (corpus / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
    atheris.Setup([sys.argv[0], *sys.argv[2:]], target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
