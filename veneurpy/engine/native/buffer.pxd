"""Native memory as a Python buffer that owns it."""
from veneurpy.engine.native.meter cimport MemoryMeter

cdef class Buffer:
    cdef void* data
    cdef MemoryMeter meter
    cdef Py_ssize_t shape[1]
    cdef Py_ssize_t strides[1]
    cdef char format[2]


cdef object buffer_view(MemoryMeter meter, void** data, Py_ssize_t n, Py_ssize_t itemsize, char format)
