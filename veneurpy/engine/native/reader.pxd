"""Readers as Python sees them: a store, and the two arenas that it swaps between."""
from veneurpy.engine.native.arena cimport Arena
from veneurpy.engine.native.compat cimport u32
from veneurpy.engine.native.meter cimport MemoryMeter
from veneurpy.engine.native.receiver cimport Receiver
from veneurpy.engine.native.sharing cimport Sharing


cdef class NativeReader:
    cdef Receiver* _r
    cdef Arena _arenas[2]
    cdef readonly str listener
    cdef readonly object engine
    cdef object _lock
    cdef object _thread
    cdef u32 _number
    cdef u32 _unread
    cdef Sharing _sharing
    cdef MemoryMeter _meter
    cdef bint _keeps_gauges
    cdef list _files                    # (descriptor, path) of each arena that is a file

    cdef Arena* idle(self) noexcept
    cdef Arena* _prepare(self) except NULL
    cdef attach(self, int fd)
    cdef u32 _end(self, bint drains)
    cdef Arena* swap(self) except NULL
    cdef forget_files(self, bint leave)
