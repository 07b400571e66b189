"""Starts a process with sockets that outlive it, as a service manager does (sd_listen_fds(3))."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

FIRST_FD = 3
# The process that execs must name itself in LISTEN_PID, and find the sockets from 3 on. (A shell
# could do it, but some take descriptors of one digit only.)
_LAUNCHER = """
import os, sys
for index, fd in enumerate(map(int, sys.argv[1].split(","))):
    os.dup2(fd, 3 + index)
    os.close(fd)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execvp(sys.argv[2], sys.argv[2:])
"""


def start(
    command: Sequence[str], held: Mapping[str, socket.socket], **options: Any
) -> subprocess.Popen[bytes]:
    """Starts `command` with the sockets under their names. Further options are Popen's."""
    if not held:
        return subprocess.Popen(command, **options)
    # Duplicates above all targets, or a move could overwrite the source of another.
    sources = [os.dup(each.fileno()) for each in held.values()]
    safe = [_above(source, FIRST_FD + len(held)) for source in sources]
    numbers = ",".join(map(str, safe))
    names = ":".join(held)
    env = {**os.environ, "LISTEN_FDS": str(len(held)), "LISTEN_FDNAMES": names}
    try:
        return subprocess.Popen(
            [sys.executable, "-S", "-c", _LAUNCHER, numbers, *command],
            pass_fds=safe,
            env=env,
            **options,
        )
    finally:
        for fd in safe:
            os.close(fd)


def udp_socket(buffer_bytes: int) -> socket.socket:
    """A socket on a free port of 127.0.0.1, with as much of a buffer as the kernel grants."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
    made.bind(("127.0.0.1", 0))
    return made


def _above(fd: int, lowest: int) -> int:
    """The descriptor, or a duplicate of it that is not below `lowest`."""
    if fd >= lowest:
        return fd
    moved = os.dup(fd)
    try:
        return _above(moved, lowest)
    finally:
        os.close(fd)
