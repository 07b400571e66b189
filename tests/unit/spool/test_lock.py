"""One daemon for one state directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from veneurpy.spool import StateLock, StateLocked


def test_the_second_is_refused(tmp_path: Path) -> None:
    """With one sentence that says who has it."""
    first, second = StateLock(tmp_path), StateLock(tmp_path)
    first.acquire()
    with pytest.raises(StateLocked, match=rf"in use by another veneurpy \(pid {os.getpid()}\)"):
        second.acquire()
    first.release()
    second.acquire()
    second.release()


def test_a_directory_that_is_no_use(tmp_path: Path) -> None:
    """The sentence names the directory."""
    with pytest.raises(StateLocked, match=r"nowhere cannot be used: No such file"):
        StateLock(tmp_path / "nowhere").acquire()
