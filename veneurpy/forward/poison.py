"""Finds the batch in whose midst a process died, so that it does not kill for ever."""

from __future__ import annotations

import mmap
import os
import struct
from pathlib import Path
from uuid import UUID

from veneurpy.errors import VeneurpyError
from veneurpy.forward.batch import BatchId

_SLOT = struct.Struct("<16sI4s")
_SET = b"busy"
_FREE = b"free"


class SlotUnusable(VeneurpyError):
    """The slot's file cannot be made; the text says why and how to mend it."""


class Slot:
    """Holds the identity of the batch that is being decoded, in a mapped file.

    Without a path nothing outlives the process, and there is nobody to be told.
    """

    def __init__(self, path: Path | None = None) -> None:
        """Raises SlotUnusable."""
        self._map: mmap.mmap | None = None
        if path is not None:
            try:
                self._map = _mapped(path)
            except OSError as exc:
                raise SlotUnusable(
                    f"{path} cannot be made: {exc.strerror}; make room, or give state_dir a "
                    "directory that the daemon may write"
                ) from exc

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


def _mapped(path: Path) -> mmap.mmap:
    """The file's one page, with a disk block behind it: a store into a hole of a full disk kills.

    Raises OSError.
    """
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.posix_fallocate(fd, 0, mmap.PAGESIZE)
        return mmap.mmap(fd, mmap.PAGESIZE)
    finally:
        os.close(fd)
