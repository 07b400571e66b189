# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""Arenas that outlived their process."""
import os

from veneurpy.engine.native.arena cimport ARENA_CLOSED, Arena, is_carried
from veneurpy.engine.native.compat cimport u8, u64
from veneurpy.engine.native.recover cimport salvage, salvage_close

from veneurpy.engine.arena_dir import is_copy


cdef class RecoveredFile:
    def __cinit__(self, str path, bytes boot_id):
        cdef const u8* boot = <const u8*><const char*>boot_id
        cdef int fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        cdef u64 size
        self.path = path
        try:
            held = os.fstat(fd)
            size = held.st_size
            self.file_bytes = 512 * held.st_blocks
            self.is_copy = is_copy(path, held)
            with nogil:
                self.verdict = salvage(&self.arena, fd, size, boot, &self.found)
        finally:
            os.close(fd)

    def __dealloc__(self):
        salvage_close(&self.arena)

    @property
    def uuid(self):
        return (<const char*>self.arena.header.identity.name.uuid)[:16]

    @property
    def is_carried(self):
        """It has no reader: its gauges are of intervals before."""
        return is_carried(&self.arena)

    @property
    def is_whole(self):
        """Of one that is carried: everything had been carried into it."""
        return self.arena.header.state == ARENA_CLOSED

    @property
    def start_ms(self):
        return self.arena.header.identity.name.start_ms

    @property
    def last_ms(self):
        return self.arena.header.last_ns // 1000000

    @property
    def reader(self):
        """Its number: what readers say at the same time counts in their order."""
        return self.arena.header.identity.name.reader

    @property
    def listener(self):
        raw = (<const char*>self.arena.header.identity.name.listener)[:sizeof(self.arena.header.identity.name.listener)]
        return raw.split(b"\0")[0].decode("utf-8", "replace")

    def discard(self):
        """Unmaps the file and removes it."""
        cdef Arena gone = self.arena
        self.arena.base = NULL
        self.arena.salvaged = NULL
        # A large one takes its time, which is no other thread's.
        with nogil:
            salvage_close(&gone)
        os.unlink(self.path)
