"""Runs a command to which the kernel refuses some system calls, as sandboxes do.

    python tests/refusing.py recvmmsg:ENOSYS getsockopt.2=55:ENOPROTOOPT -- COMMAND...

Each with an argument, counted from 0, that it is refused for, and the error that it ends with.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {
    "x86_64": {"recvmmsg": 299, "getsockopt": 55, "setsockopt": 54, "fallocate": 285},
    "aarch64": {"recvmmsg": 243, "getsockopt": 209, "setsockopt": 208, "fallocate": 47},
}.get(platform.machine(), {})

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _FILTER = 38, 22, 2
_LOAD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_ARGUMENTS_AT = 16


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


def _refusal(rule: str) -> list[tuple[int, int, int, int]]:
    """Instructions of BPF: what the kernel looks at before it does a system call."""
    what, error = rule.split(":")
    call, _, condition = what.partition(".")
    refused = (_RETURN, 0, 0, _ERRNO | getattr(errno, error))
    if not condition:
        return [(_LOAD, 0, 0, 0), (_JUMP_IF_EQUAL, 0, 1, NUMBERS[call]), refused]
    argument, value = map(int, condition.split("="))
    return [
        (_LOAD, 0, 0, 0),
        (_JUMP_IF_EQUAL, 0, 3, NUMBERS[call]),
        (_LOAD, 0, 0, _ARGUMENTS_AT + 8 * argument),
        (_JUMP_IF_EQUAL, 0, 1, value),
        refused,
    ]


def refuse(rules: list[str]) -> None:
    """From now on, for this process and whatever it becomes."""
    steps = [step for rule in rules for step in _refusal(rule)] + [(_RETURN, 0, 0, _ALLOW)]
    program = _Program(len(steps), b"".join(struct.pack("HBBI", *step) for step in steps))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(
        _PR_SET_SECCOMP, _FILTER, ctypes.byref(program), 0, 0
    ):
        raise OSError(ctypes.get_errno(), "no seccomp here")


if __name__ == "__main__":
    end = sys.argv.index("--")
    refuse(sys.argv[1:end])
    os.execv(sys.argv[end + 1], sys.argv[end + 1 :])
