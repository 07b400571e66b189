"""Doubles as text: the shortest decimal that reads back as the same double, without locale or GIL."""
from veneurpy.engine.native.compat cimport i64, u8, u64

cdef enum:
    NUMBER_BYTES = 32                   # room that any number needs at most


cdef Py_ssize_t write_integer(u8* out, i64 v) noexcept nogil
cdef Py_ssize_t write_number(u8* out, double v) noexcept nogil
