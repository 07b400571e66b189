"""Arenas to batches for owners."""
from veneurpy.engine.native.arena cimport Arena
from veneurpy.engine.native.compat cimport u64
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.merge cimport MergeUse
from veneurpy.engine.native.owners cimport CompiledOwners
from veneurpy.engine.native.rewriting cimport Rewrites
from veneurpy.engine.native.slice cimport Slice

# What is encoded, and how.
cdef struct Encode:
    const HashKey* key
    Slice* extend
    int n_extend
    const Rewrites* rewrites            # or NULL,
    int rewrites_from                   # of the arenas from that one on
    MergeUse use
    double compression
    u64 max_bytes
    int self_index                      # -1: the table says of everything who owns it
    Slice carry
    u64 digest_bytes


cdef object encode_arenas(Encode* e, Arena** arenas, int n, CompiledOwners owners, int n_owners, bytes foreign)
