"""Finds the batch in whose midst a process died, so that it kills no second one."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from uuid import UUID

from veneurpy.forward.batch import BatchId

_SLOT = struct.Struct("<16sI4s")
_SET = b"busy"
_FREE = b"free"


class Slot:
    """Holds the identity of the batch that is being decoded, in a mapped file.

    Without a path nothing outlives the process, and there is nobody to be told.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Raises OSError."""
        self._map: mmap.mmap | None = None
        if path is not None:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(fd, mmap.PAGESIZE)
                self._map = mmap.mmap(fd, mmap.PAGESIZE)
            finally:
                os.close(fd)

    def __repr__(self) -> str:
        return f"Slot(mapped={self._map is not None})"

    def take(self) -> tuple[UUID, int] | None:
        """The (uuid, part) that a process before this one did not get through; frees the slot."""
        if self._map is None:
            return None
        raw, part, state = _SLOT.unpack_from(self._map)
        self.free()
        return (UUID(bytes=raw), part) if state == _SET else None

    def enter(self, id: BatchId) -> None:
        """A batch is about to be decoded."""
        if self._map is not None:
            _SLOT.pack_into(self._map, 0, id.uuid.bytes, id.part, _FREE)
            self._mark(_SET)

    def free(self) -> None:
        """Nothing is being decoded."""
        if self._map is not None:
            self._mark(_FREE)

    def close(self) -> None:
        """Idempotent."""
        if self._map is not None:
            self._map.close()
            self._map = None

    def _mark(self, state: bytes) -> None:
        # Last and apart, so that no mark ever stands beside half an identity.
        assert self._map is not None
        self._map[_SLOT.size - len(state) : _SLOT.size] = state
