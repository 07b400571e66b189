"""Feeds a file of lines to the native engine so many times: `feed_once FILE PASSES`.

A program for `instructions` to run under callgrind.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.feeding import chunks_of, native_engine


def main() -> None:
    """Feeds."""
    chunks = chunks_of(Path(sys.argv[1]))
    with native_engine() as engine:
        reader = engine.open_reader("bench")
        for _ in range(int(sys.argv[2])):
            for chunk in chunks:
                reader.feed(chunk)


if __name__ == "__main__":
    main()
