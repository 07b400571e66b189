"""Run as a script: `veneurpy run -f FILE`, with a clock that somebody else sets.

    python -m tests.chaos.node CONFIG CLOCK

CLOCK is a file of eight bytes: how far the wall clock is off, in nanoseconds.
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from pathlib import Path

from veneurpy.config import load_config
from veneurpy.ports import SystemClock
from veneurpy.server import Server
from veneurpy.server.process import run_process
from veneurpy.telemetry.logs import make_logger
from veneurpy.telemetry.stream import LogStream

OFFSET = struct.Struct("<q")


class SkewedClock(SystemClock):
    """The machine's clock plus what a file says."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._offset = mmap.mmap(file.fileno(), OFFSET.size)

    def now_ns(self) -> int:
        offset: int = OFFSET.unpack_from(self._offset)[0]
        return super().now_ns() + offset


def main() -> None:
    """Runs until a signal."""
    config_file, clock_file = map(Path, sys.argv[1:])
    loaded = load_config(config_file, environ=os.environ)
    config, stream = loaded.config, LogStream(sys.stderr.fileno())
    logger = make_logger(stream, level=config.log_level, format_=config.log_format)
    clock = SkewedClock(clock_file)
    code = run_process(lambda: Server(config, logger, clock=clock, environ=os.environ))
    stream.close(1.0)
    sys.exit(code)


if __name__ == "__main__":
    main()
