"""What the kernel knows of a process and of a socket."""

from __future__ import annotations

import os
import time
from pathlib import Path

_CPUCLOCK_SCHED = 2


def cpu_s(pid: int) -> float:
    """CPU time (user and system, all threads, also ended ones) of a process, to the nanosecond.

    It is the clock that clock_getcpuclockid(3) names; /proc/PID/stat tells it in ticks of 10 ms.
    """
    return time.clock_gettime((~pid << 3) | _CPUCLOCK_SCHED)


def rss_bytes(pid: int) -> int:
    """Resident memory of a process now."""
    resident_pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return resident_pages * os.sysconf("SC_PAGE_SIZE")


def udp_drops(port: int, pid: int | None = None) -> int:
    """Datagrams that the kernel dropped, so far, at the sockets bound to `port`.

    Of the network namespace of the process `pid`, by default our own; so below.
    """
    return sum(int(fields[-1]) for fields in _udp_sockets(port, pid))


def udp_queued_bytes(port: int, pid: int | None = None) -> int:
    """Bytes that wait unread at the sockets bound to `port`."""
    return sum(int(fields[4].rpartition(":")[2], 16) for fields in _udp_sockets(port, pid))


def udp_is_open(port: int, pid: int | None = None) -> bool:
    """Whether a socket is bound to `port`."""
    return bool(_udp_sockets(port, pid))


def _udp_sockets(port: int, pid: int | None) -> list[list[str]]:
    """The fields of the lines of /proc/PID/net/udp and udp6 whose local port is `port`."""
    whose = "self" if pid is None else str(pid)
    tables = [Path(f"/proc/{whose}/net/{name}") for name in ("udp", "udp6")]
    text = [table.read_text() for table in tables if table.exists()]
    lines = [line.split() for table in text for line in table.splitlines()[1:]]
    return [fields for fields in lines if int(fields[1].rpartition(":")[2], 16) == port]
