"""Series on the wire: batches for owners, cut at a size (the fields are described in engine/reference_metric.py)."""
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.merge cimport Merge
from veneurpy.engine.native.owners cimport Owners

# A payload that grows.
cdef struct Payload:
    u8* data
    u64 size
    u64 room
    u64 series
    u64 samples
    u32 owner

cdef struct Wire:
    double compression
    u64 max_bytes
    int self_index                      # who gets what is not merged over hosts; -1: its owner by the table, too
    const u8* foreign                   # by owner: it is a Veneur; NULL: nobody is
    Owners* owners
    u32 n_owners
    Payload* open                       # by owner
    Payload* done
    u64 n_done
    u64 done_room
    Payload carry


cdef bint wire_open(Wire* w, Owners* owners, u32 n_owners) noexcept nogil
cdef void wire_close(Wire* w) noexcept nogil
cdef bint wire_write(Wire* w, const Merge* m) noexcept nogil
