"""Series on the wire, in payloads for their owners (the fields are described in engine/reference_metric.py)."""
from veneurpy.engine.native.compat cimport u8, u32, u64
from veneurpy.engine.native.merge cimport Merge
from veneurpy.engine.native.owners cimport Owners
from veneurpy.engine.native.payloads cimport Payload, Payloads

cdef struct Wire:
    double compression
    int self_index                      # who gets what is not merged over hosts; -1: its owner by the table, too
    const u8* foreign                   # by owner: it is a Veneur; NULL: nobody is
    Owners* owners
    Payloads payloads
    Payload carry                       # what rounding for Veneurs leaves over, whole


cdef bint wire_open(Wire* w, Owners* owners, u32 n_owners, u64 max_bytes) noexcept nogil
cdef void wire_close(Wire* w) noexcept nogil
cdef bint wire_write(Wire* w, const Merge* m) noexcept nogil
