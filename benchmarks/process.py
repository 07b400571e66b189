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


def udp_drops(port: int) -> int:
    """Datagrams that the kernel dropped, so far, at the IPv4 sockets bound to `port`."""
    return sum(int(fields[-1]) for fields in _udp_sockets(port))


def udp_queued_bytes(port: int) -> int:
    """Bytes that wait unread at the IPv4 sockets bound to `port`."""
    return sum(int(fields[4].rpartition(":")[2], 16) for fields in _udp_sockets(port))


def udp_is_open(port: int) -> bool:
    """Whether an IPv4 socket is bound to `port`."""
    return bool(_udp_sockets(port))


def _udp_sockets(port: int) -> list[list[str]]:
    """The fields of the lines of /proc/net/udp whose local port is `port`."""
    lines = [line.split() for line in Path("/proc/net/udp").read_text().splitlines()[1:]]
    return [fields for fields in lines if int(fields[1].rpartition(":")[2], 16) == port]
