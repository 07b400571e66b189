"""Waiting for another process, which tells nobody when it is done."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 40.0


def wait_until(holds: Callable[[], object], what: str, seconds: float = PATIENCE_S) -> None:
    """Returns when something holds. Raises TimeoutError, which says what was waited for."""
    give_up_s = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > give_up_s:
            raise TimeoutError(f"waited {seconds:g} s: {what}")
        time.sleep(0.02)
