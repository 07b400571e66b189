# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True, initializedcheck=False
"""HTTP/2's DATA frames and gRPC's messages, cut and joined in bulk (see rpc/frames.py for the picture)."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.string cimport memcpy

from veneurpy.engine.native.compat cimport u8, u32
from veneurpy.engine.native.slice cimport Slice, cut


cdef enum:
    HEADER = 9
    DATA = 0
    END_STREAM = 1


cdef struct Frame:
    Py_ssize_t length
    int kind
    int flags
    u32 stream


cdef bint _read(Slice data, Py_ssize_t at, Frame* frame) noexcept nogil:
    """The header at `at`; False if it is cut."""
    cdef Slice header = cut(data.data, data.size, at, at + HEADER)
    cdef const u8* h = header.data
    if header.size == 0:
        return False
    frame.length = h[0] << 16 | h[1] << 8 | h[2]
    frame.kind = h[3]
    frame.flags = h[4]
    frame.stream = <u32>h[5] << 24 | <u32>h[6] << 16 | <u32>h[7] << 8 | h[8]
    return True


cdef void _write(u8* out, const Frame* frame) noexcept nogil:
    out[0] = <u8>(frame.length >> 16)
    out[1] = <u8>(frame.length >> 8)
    out[2] = <u8>frame.length
    out[3] = <u8>frame.kind
    out[4] = <u8>frame.flags
    out[5] = <u8>(frame.stream >> 24)
    out[6] = <u8>(frame.stream >> 16)
    out[7] = <u8>(frame.stream >> 8)
    out[8] = <u8>frame.stream


cdef bint _joins(const Frame* run, const Frame* frame, Py_ssize_t longest) noexcept nogil:
    """Whether a frame may be joined to a run: DATA of the same stream, unpadded, after none that ended it."""
    return (
        frame.kind == DATA
        and frame.flags & ~END_STREAM == 0
        and frame.stream == run.stream
        and run.flags == 0
        and run.length + frame.length <= longest
    )


cdef Py_ssize_t _join(Slice data, Py_ssize_t most, Py_ssize_t longest, u8* out, Py_ssize_t* taken) noexcept nogil:
    """Writes the whole frames to `out`, which is as large as `data`; returns the bytes written."""
    cdef Py_ssize_t at = 0, written = 0, head = -1
    cdef Frame frame, run = Frame(0, DATA, 0, 0)
    cdef Slice body
    while _read(data, at, &frame):
        if frame.length > most or frame.length > data.size - at - HEADER:
            break
        body = cut(data.data, data.size, at + HEADER, at + HEADER + frame.length)
        if head >= 0 and _joins(&run, &frame, longest):
            run.length += frame.length
            run.flags = frame.flags
        else:
            head = -1
            run = frame
            if frame.kind == DATA and frame.flags & ~END_STREAM == 0:
                head = written
            else:
                _write(out + written, &frame)
            written += HEADER
        memcpy(out + written, body.data, <size_t>body.size)
        written += body.size
        at += HEADER + frame.length
        if head >= 0:
            _write(out + head, &run)
    taken[0] = at
    return written


def join_frames(bytes data not None, Py_ssize_t most_bytes, Py_ssize_t longest_bytes):
    """The whole frames with runs of DATA joined, and how many bytes of `data` they were."""
    cdef Py_ssize_t taken = 0, written
    cdef Slice source
    source.data = <const u8*>PyBytes_AS_STRING(data)
    source.size = len(data)
    cdef bytes out = PyBytes_FromStringAndSize(NULL, source.size)
    cdef u8* target = <u8*>PyBytes_AS_STRING(out)
    with nogil:
        written = _join(source, most_bytes, longest_bytes, target, &taken)
    return out[:written], taken
