"""Feeds a file of lines to the native engine so many times: `feed_once FILE PASSES`.

A program for `instructions` to run under callgrind: with a given hash and at a given time, so that
every run executes the same instructions.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.feeding import chunks_of
from veneurpy.engine import EngineOptions
from veneurpy.engine.native.engine import NativeEngine

START_MS = 1_700_000_000_000
HASH_KEY = bytes(range(1, 33))


def main() -> None:
    """Feeds."""
    chunks = chunks_of(Path(sys.argv[1]))
    options = EngineOptions(max_datagram_bytes=65_507)
    engine = NativeEngine(options, start_ms=START_MS, hash_key=HASH_KEY)
    reader = engine.open_reader("bench")
    for _ in range(int(sys.argv[2])):
        for chunk in chunks:
            reader.feed(chunk, now_ns=START_MS * 1_000_000)
    engine.close()


if __name__ == "__main__":
    main()
