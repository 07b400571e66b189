"""How a node whose disk fails answers another's call: it cannot say now, ask again."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from veneurpy.ports import PeerUnavailable


@contextmanager
def failing_as_unavailable() -> Iterator[None]:
    """Raises PeerUnavailable where the disk fails."""
    try:
        yield
    except (sqlite3.Error, OSError) as exc:
        raise PeerUnavailable(f"the disk: {exc}", may_have_been_applied=False) from exc
