"""`veneurpy ring apply` while a fleet is at work."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from tests.chaos.process import ROOT, Node

END_S = 90.0


class RingChange:
    """A change that has been asked for; whether it is made depends on who answers."""

    def __init__(self, node: Node, members: Sequence[str], lead_s: float) -> None:
        self.members = list(members)
        asked = ["ring", "apply", "--address", node.http, "--in", f"{lead_s:g}", *members]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "veneurpy", *asked],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._answer: str | None = None

    def __repr__(self) -> str:
        return f"RingChange({self.members})"

    def answer(self) -> str:
        """What it came to. Waits for it."""
        if self._answer is None:
            self._answer = self._process.communicate(timeout=END_S)[0]
        return self._answer

    @property
    def is_made(self) -> bool:
        """Whether every member has agreed. Waits for it."""
        return "begins at" in self.answer() and self._process.returncode == 0
