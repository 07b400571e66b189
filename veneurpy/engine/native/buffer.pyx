# cython: language_level=3, auto_pickle=False
"""The buffer protocol over a column of counted memory."""
cimport cython
from cpython.buffer cimport PyBUF_FORMAT, PyBUF_WRITABLE
from libc.stdlib cimport free
from veneurpy.engine.native.compat cimport empty
from veneurpy.engine.native.meter cimport METER_LARGE, MemoryMeter, Meter, meter_free


# The meter must be there when the memory goes, also in a cycle that is collected.
@cython.no_gc_clear
cdef class Buffer:
    """A read-only column; freed with the last view of it."""

    def __getbuffer__(self, Py_buffer* view, int flags):
        if flags & PyBUF_WRITABLE:
            raise BufferError("read only")
        view.buf = self.data
        view.obj = self
        view.len = self.shape[0] * self.strides[0]
        view.itemsize = self.strides[0]
        view.readonly = 1
        view.ndim = 1
        view.format = self.format if flags & PyBUF_FORMAT else NULL
        view.shape = self.shape
        view.strides = self.strides
        view.suboffsets = NULL
        view.internal = NULL

    def __dealloc__(self):
        cdef void* data = self.data
        cdef Meter* meter = NULL
        cdef size_t bytes_ = <size_t>(self.shape[0] * self.strides[0])
        if self.meter is not None:
            meter = &self.meter.meter
        # A large column goes back to the kernel, page by page: nobody else has to wait for that.
        with nogil:
            if meter != NULL:
                meter_free(meter, data)
            else:
                if bytes_ >= METER_LARGE:
                    empty(data, bytes_)
                free(data)


cdef object buffer_view(MemoryMeter meter, void** data, Py_ssize_t n, Py_ssize_t itemsize, char format):
    """A memoryview of n items; takes the memory from the caller, whose pointer becomes NULL.

    It was counted by the meter, or comes from malloc where that is None.
    """
    cdef Buffer b = Buffer.__new__(Buffer)
    b.meter = meter
    b.data = data[0]
    data[0] = NULL
    b.shape[0] = n
    b.strides[0] = itemsize
    b.format[0] = format
    b.format[1] = 0
    return memoryview(b)
