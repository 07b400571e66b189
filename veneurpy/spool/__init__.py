"""The spool: closed intervals on disk until every sink has them, and the lock of `state_dir`."""

from __future__ import annotations

from veneurpy.spool.database import FILE_NAME
from veneurpy.spool.lock import StateLock, StateLocked
from veneurpy.spool.record import OTHERS, LateRow, Owed, Part, Record
from veneurpy.spool.spare import Spare
from veneurpy.spool.spool import Committed, Spool

__all__ = [
    "FILE_NAME",
    "OTHERS",
    "Committed",
    "LateRow",
    "Owed",
    "Part",
    "Record",
    "Spare",
    "Spool",
    "StateLock",
    "StateLocked",
]
