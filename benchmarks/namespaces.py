"""Network namespaces: a daemon in one of its own shares neither ports nor queues with another."""

from __future__ import annotations

import functools
import os
import subprocess

_WITH_LOOPBACK = 'ip link set lo up && exec "$@"'


@functools.cache
def allowed() -> bool:
    """Whether this user may make one (root, mostly) and has the programs for it."""
    try:
        made = subprocess.run([*_making(), "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return made.returncode == 0


def making() -> list[str]:
    """What a command begins with to run in a namespace of its own, whose loopback is up.

    Nothing where that is not allowed. The process keeps its pid, and the namespace ends with it.
    """
    return _making() if allowed() else []


def entering(pid: int | None) -> list[str]:
    """What a command begins with to run in the namespace of a process; nothing where it is ours."""
    if pid is None or _namespace(str(pid)) == _namespace("self"):
        return []
    return ["nsenter", f"--net=/proc/{pid}/ns/net"]


def _making() -> list[str]:
    return ["unshare", "--net", "sh", "-c", _WITH_LOOPBACK, "sh"]


def _namespace(pid: str) -> str:
    return os.readlink(f"/proc/{pid}/ns/net")
