"""The columns of a flush and some of their rows, held as C arrays."""
from cpython.buffer cimport Py_buffer
from veneurpy.engine.native.compat cimport i64, u8, u16, u32
from veneurpy.engine.native.slice cimport Slice

cdef enum:
    HELD = 12

cdef struct Table:
    const u32* offsets
    const u8* data
    u32 count
    Py_ssize_t size


cdef class ColumnsView:
    cdef Py_buffer held[HELD]
    cdef int n_held
    cdef Table names
    cdef Table tags
    cdef const u32* name
    cdef const u32* tag
    cdef const u8* type
    cdef const u8* scope
    cdef const i64* timestamp_ms
    cdef const u8* own_time             # NULL: not told
    cdef const double* value
    cdef const u32* rows                # NULL: all
    cdef Py_ssize_t n_columns
    cdef Py_ssize_t n_rows
    cdef const void* _hold(self, object view, char format, Py_ssize_t count) except? NULL
    cdef int _hold_table(self, Table* table, object strings) except -1


cdef inline Slice string_at(const Table* t, u32 number) noexcept nogil:
    """String `number`; its data is NULL if there is none such, or its bounds are not within the table."""
    cdef Slice out
    out.data = NULL
    out.size = 0
    if number < t.count and t.offsets[number] <= t.offsets[number + 1] <= t.size:
        out.data = t.data + t.offsets[number]
        out.size = t.offsets[number + 1] - t.offsets[number]
    return out


cdef inline Py_ssize_t row_at(ColumnsView v, Py_ssize_t i) noexcept nogil:
    """The row that the selection has at i, -1 if there is no such row. `i` is below `n_rows`."""
    cdef Py_ssize_t row = i if v.rows == NULL else <Py_ssize_t>v.rows[i]
    return row if row < v.n_columns else -1


cdef inline bint is_timed(ColumnsView v, Py_ssize_t row, i64 start_ms) noexcept nogil:
    """Is the row's time its own, and not that of the interval which starts at `start_ms`."""
    return v.timestamp_ms[row] != start_ms if v.own_time == NULL else v.own_time[row] != 0
