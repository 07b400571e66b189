# cython: language_level=3, auto_pickle=False
"""Takes the buffers of Columns apart, checks what they are, and keeps them."""
from cpython.buffer cimport PyBUF_CONTIG_RO, PyBUF_FORMAT, PyBuffer_Release, PyObject_GetBuffer
cimport cython

cdef const u8* NOTHING = b""


@cython.final
cdef class ColumnsView:
    def __init__(self, columns, rows=None, value=None):
        if self.n_held:
            raise ValueError("a view is opened once")
        self.n_columns = len(columns.name)
        self._hold_table(&self.names, columns.names)
        self._hold_table(&self.tags, columns.tags)
        self.name = <const u32*>self._hold(columns.name, c"I", self.n_columns)
        self.tag = <const u32*>self._hold(columns.tag, c"I", self.n_columns)
        self.type = <const u8*>self._hold(columns.type, c"B", self.n_columns)
        self.scope = <const u8*>self._hold(columns.scope, c"B", self.n_columns)
        self.timestamp_ms = <const i64*>self._hold(columns.timestamp_ms, c"q", self.n_columns)
        if columns.own_time is not None:
            self.own_time = <const u8*>self._hold(columns.own_time, c"B", self.n_columns)
        self.value = <const double*>self._hold(columns.value if value is None else value, c"d", self.n_columns)
        self.n_rows = self.n_columns if rows is None else len(rows)
        if rows is not None:
            self.rows = <const u32*>self._hold(rows, c"I", self.n_rows)

    def __len__(self):
        return self.n_rows

    def __dealloc__(self):
        cdef int i
        for i in range(self.n_held):
            PyBuffer_Release(&self.held[i])

    cdef const void* _hold(self, object view, char format, Py_ssize_t count) except? NULL:
        cdef Py_buffer* b = &self.held[self.n_held]
        PyObject_GetBuffer(view, b, PyBUF_CONTIG_RO | PyBUF_FORMAT)
        self.n_held += 1
        if b.format == NULL or b.format[0] != format or b.format[1] or b.len != count * b.itemsize:
            raise ValueError(f"a column of {count} of format {chr(format)!r} was expected")
        if b.len:
            return b.buf
        return NOTHING                  # memory of no length may have no address

    cdef int _hold_table(self, Table* table, object strings) except -1:
        cdef Py_ssize_t size = len(strings.data), offsets = len(strings.offsets)
        if not 0 < offsets < 0xFFFFFFFF:
            raise ValueError("a table of strings has one offset more than strings")
        table.data = <const u8*>self._hold(strings.data, c"B", size)
        table.offsets = <const u32*>self._hold(strings.offsets, c"I", offsets)
        table.count = <u32>(offsets - 1)
        table.size = size
        return 0
