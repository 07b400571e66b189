# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Merging for the wire, and writing it."""
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset
from veneurpy.engine.native.compat cimport u8, u64
from veneurpy.engine.native.imports cimport (
    IMPORT_READ, Frame, Imports, imports_apply, imports_check, imports_close, imports_open, imports_reserve,
)
from veneurpy.engine.native.merge cimport Merge, merge_arenas, merge_close, merge_open
from veneurpy.engine.native.payloads cimport Payload
from veneurpy.engine.native.wire cimport Wire, wire_close, wire_open, wire_write

from veneurpy.engine import exchange

cdef enum:
    CARRY_RATIO = 64                    # what remainders take at the most, in their own bytes
    CARRY_LEAST = 1 << 22

cdef enum Done:
    DONE = 0
    BAD_CARRY = 1
    NO_MEMORY = 2


cdef Done _read_carry(Encode* e, Imports* im) noexcept nogil:
    cdef Frame f
    memset(&f, 0, sizeof(Frame))
    f.bytes = e.carry
    if not imports_open(im, e.compression, e.digest_bytes, CARRY_LEAST + CARRY_RATIO * <u64>e.carry.size, e.key):
        return NO_MEMORY
    if imports_check(im, &f) != IMPORT_READ:
        return BAD_CARRY
    if not imports_reserve(im, &f):
        return NO_MEMORY
    imports_apply(im, &f)
    return DONE


cdef Done _encode(Encode* e, Arena** arenas, int n, Merge* m, Wire* w, Imports* remainders) noexcept nogil:
    """`arenas` has room for one more."""
    cdef Done done = DONE
    if e.carry.size:
        done = _read_carry(e, remainders)
        if done != DONE:
            return done
        arenas[n] = &remainders.arena
        n += 1
    if not merge_open(m, NULL, e.use, e.key, e.extend, e.n_extend):
        return NO_MEMORY
    m.rewrites = e.rewrites
    m.rewrites_from = e.rewrites_from
    if not merge_arenas(m, arenas, n):
        return NO_MEMORY
    return DONE if wire_write(w, m) else NO_MEMORY


cdef bytes _copy(const u8* data, u64 size):
    """Without the GIL: the copies of a large interval together take as long as the loop may be late."""
    cdef bytes made = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
    cdef char* to = PyBytes_AS_STRING(made)
    with nogil:
        memcpy(to, data, size)
    return made


cdef object _part(const Payload* p):
    return exchange.Encoded(p.owner, _copy(p.data, p.size), p.series, p.samples)


cdef object encode_arenas(Encode* e, Arena** arenas, int n, CompiledOwners owners, int n_owners, bytes foreign):
    """An Encoding of the arenas; `foreign` has a byte for each owner. Raises FrameBroken for a bad carry."""
    cdef Merge merge
    cdef Wire wire
    cdef Imports remainders
    cdef Arena** all_ = <Arena**>malloc((n + 1) * sizeof(Arena*))
    cdef Done done = NO_MEMORY
    cdef u64 i
    memset(&merge, 0, sizeof(merge))
    memset(&wire, 0, sizeof(wire))
    memset(&remainders, 0, sizeof(remainders))
    wire.compression = e.compression
    wire.self_index = e.self_index
    wire.foreign = <const u8*><const char*>foreign
    try:
        if all_ != NULL and wire_open(&wire, &owners.owners, n_owners, e.max_bytes):
            if n:
                memcpy(all_, arenas, n * sizeof(Arena*))
            with nogil:
                done = _encode(e, all_, n, &merge, &wire, &remainders)
        if done == BAD_CARRY:
            raise exchange.FrameBroken("malformed")
        if done != DONE:
            raise MemoryError("no memory to encode the interval")
        parts = [_part(&wire.payloads.done[i]) for i in range(wire.payloads.n_done)]
        parts.sort(key=_owner)
        carry = _copy(wire.carry.data, wire.carry.size) if wire.carry.size else b""
        return exchange.Encoding(parts, carry)
    finally:
        with nogil:
            merge_close(&merge)
            wire_close(&wire)
            imports_close(&remainders)
        free(all_)


def _owner(part):
    return part.owner
