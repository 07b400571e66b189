"""Arenas that outlived their process."""
from veneurpy.engine.native.arena cimport Arena
from veneurpy.engine.native.compat cimport i64
from veneurpy.engine.native.recover cimport Salvage


cdef class RecoveredFile:
    """An arena of a process that died, mapped; `discard` removes it."""

    cdef Arena arena
    cdef Salvage found
    cdef readonly str path
    cdef readonly int verdict
    cdef readonly bint is_copy          # of a file that another process may have gone on with
    cdef readonly i64 file_bytes        # that it takes
