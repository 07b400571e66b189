# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""A message is written behind what its payload has; where it fits is known when its length is."""
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memmove, memset
from veneurpy.engine.native.protobuf cimport BYTES, put_varint, varint_size

cdef enum:
    FIRST_ROOM = 1 << 12


cdef bint payloads_open(Payloads* all_, u32 n_owners, u64 max_bytes) noexcept nogil:
    """False when there is no memory. To be closed in any case."""
    cdef u32 i
    memset(all_, 0, sizeof(Payloads))
    all_.n_owners = n_owners
    all_.open = <Payload*>calloc(n_owners + 1, sizeof(Payload))
    if all_.open == NULL:
        return False
    for i in range(n_owners):
        all_.open[i].owner = i
        all_.open[i].max_bytes = max_bytes
    return True


cdef void payloads_close(Payloads* all_) noexcept nogil:
    """Idempotent."""
    cdef u64 i
    if all_.open != NULL:
        for i in range(all_.n_owners):
            free(all_.open[i].data)
    for i in range(all_.n_done):
        free(all_.done[i].data)
    free(all_.open)
    free(all_.done)
    memset(all_, 0, sizeof(Payloads))


cdef bint payload_reserve(Payload* p, u64 bytes_) noexcept nogil:
    """Room for so many bytes more; False when there is no memory."""
    cdef u64 room = 2 * (p.size + bytes_)
    cdef void* data
    if p.size + bytes_ <= p.room:
        return True
    data = realloc(p.data, room if room > FIRST_ROOM else FIRST_ROOM)
    if data == NULL:
        return False
    p.data = <u8*>data
    p.room = room if room > FIRST_ROOM else FIRST_ROOM
    return True


cdef bint _finish(Payloads* all_, Payload* p) noexcept nogil:
    """Puts what a payload has aside, and begins it anew. What came after `size` belongs to the new one."""
    cdef Payload next_
    cdef void* done
    if all_.n_done == all_.done_room:
        done = realloc(all_.done, (2 * all_.done_room + 16) * sizeof(Payload))
        if done == NULL:
            return False
        all_.done = <Payload*>done
        all_.done_room = 2 * all_.done_room + 16
    all_.done[all_.n_done] = p[0]
    all_.n_done += 1
    memset(&next_, 0, sizeof(Payload))
    next_.owner = p.owner
    next_.max_bytes = p.max_bytes
    p[0] = next_
    return True


cdef bint payload_place(Payloads* all_, Payload* p, u8* start, u8* end, u64 samples) noexcept nogil:
    """Gives a message, written ENTRY_HEAD bytes behind `p.size`, its key and length, and a payload it fits into."""
    cdef u64 size = <u64>(end - start)
    cdef u64 whole = 1 + <u64>varint_size(size) + size
    cdef u8* at
    if p.size and p.size + whole > p.max_bytes:
        if not _finish(all_, p) or not payload_reserve(p, whole):
            return False
        at = put_varint(put_varint(p.data, 1 << 3 | BYTES), size)
        memcpy(at, start, size)
    else:
        at = put_varint(put_varint(p.data + p.size, 1 << 3 | BYTES), size)
        memmove(at, start, size)
    p.size += whole
    p.series += 1
    p.samples += samples
    return True


cdef bint payloads_finish(Payloads* all_) noexcept nogil:
    """Puts all that is open aside; False when there is no memory."""
    cdef u32 i
    for i in range(all_.n_owners):
        if all_.open[i].size and not _finish(all_, &all_.open[i]):
            return False
    return True
