"""A child process that is stopped after every instruction of chosen functions (x86-64 Linux)."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence

PEEKTEXT, POKETEXT, POKEUSER, CONT, SINGLESTEP, GETREGS = 1, 4, 6, 7, 9, 12
REGISTERS, RIP, RSP = 27, 16, 19  # of 8 bytes, in struct user_regs_struct
BREAKPOINT = 0xCC
STOPPED = 0x7F  # of a status that waitpid returns
WOKEN = STOPPED | signal.SIGURG << 8
"""The status of a reader that is asked for a rotation: it does not wait while it is traced."""

_ptrace = ctypes.CDLL(None, use_errno=True).ptrace
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_ptrace.restype = ctypes.c_long


class Tracee:
    """A child that asked to be traced and stopped itself, with breakpoints at functions.

    Between them it runs at full speed: what it does there is Python, which cannot write an arena.
    """

    def __init__(
        self,
        process: subprocess.Popen[str],
        functions: Mapping[str, int],
        skipped: Sequence[int],
    ) -> None:
        self._process = process
        self._pid = process.pid
        self._names = {address: name for name, address in functions.items()}
        self._skipped = frozenset(skipped)
        self._registers = (ctypes.c_uint64 * REGISTERS)()
        self._text: dict[int, int] = {}
        for address in self._names:
            self._arm(address)

    def __repr__(self) -> str:
        return f"<Tracee {self._pid} {sorted(self._names.values())}>"

    def calls(self) -> Iterator[str]:
        """Runs from call to call; each time the child stands before the first instruction."""
        while self._go(CONT):
            address = self._at_breakpoint()
            yield self._names[address]
            self._arm(address)

    def instructions(self, skips: Callable[[], bool]) -> Iterator[None]:
        """The instructions of the call under way, each after it was executed.

        Where one of the functions that may be skipped begins, `skips` is asked whether it is to be
        executed like one instruction.
        """
        entered = self._look(RSP)
        while self._go(SINGLESTEP):
            at = self._look(RSP)
            if self._registers[RIP] in self._skipped and skips():
                self._arm(self._peek(at))
                self._go(CONT)
                self._at_breakpoint()
                at = self._look(RSP)
            yield
            if at > entered:
                return

    def _at_breakpoint(self) -> int:
        """Where the child hit one, which is gone after that: as if it had never been there."""
        address = self._look(RIP) - 1
        _ptrace(POKETEXT, self._pid, address, self._text.pop(address))
        _ptrace(POKEUSER, self._pid, 8 * RIP, address)
        return address

    def _go(self, how: int) -> bool:
        """False when the child has ended, well."""
        status = WOKEN
        while status == WOKEN:
            if _ptrace(how, self._pid, None, None) < 0:
                raise OSError(ctypes.get_errno(), f"{self!r} cannot be continued")
            _, status = os.waitpid(self._pid, 0)
        if os.WIFEXITED(status):
            self._process.returncode = os.WEXITSTATUS(status)
            assert self._process.returncode == 0
            return False
        assert status == STOPPED | signal.SIGTRAP << 8, hex(status)
        return True

    def _look(self, register: int) -> int:
        _ptrace(GETREGS, self._pid, None, self._registers)
        return self._registers[register]

    def _peek(self, address: int) -> int:
        return int(_ptrace(PEEKTEXT, self._pid, address, None) & (1 << 64) - 1)

    def _arm(self, address: int) -> None:
        self._text[address] = self._peek(address)
        _ptrace(POKETEXT, self._pid, address, self._text[address] & ~0xFF | BREAKPOINT)
