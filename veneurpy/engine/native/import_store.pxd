"""Import stores as Python sees them, and the memory that all of an engine share."""
from veneurpy.engine.native.columns cimport MergeContext
from veneurpy.engine.native.compat cimport u64
from veneurpy.engine.native.imports cimport Frame, Imports
from veneurpy.engine.native.interval cimport ArenaSource
from veneurpy.engine.native.owners cimport CompiledOwners


cdef class ImportBudget:
    cdef readonly u64 left
    cdef readonly u64 limit
    cdef object _lock

    cdef bint take(self, u64 bytes_) except -1
    cdef give_back(self, u64 bytes_)


cdef class NativeImportStore(ArenaSource):
    cdef readonly object start_ms
    cdef Imports _imports
    cdef ImportBudget _budget
    cdef MergeContext _context
    cdef u64 _taken                     # of the budget
    cdef bint _released

    cdef object _merge(self, Frame* f, str sender)
    cdef list _encode(self, CompiledOwners owners, int n_owners, u64 max_bytes)
