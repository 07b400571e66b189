"""The accounts of one reader's arena."""
from veneurpy.engine.native.arena cimport Arena, Counters
from veneurpy.engine.native.compat cimport u32
from veneurpy.engine.native.rewriting cimport Rewrites

cdef object counters_accounts(const Counters* c)
cdef object arena_accounts(const Arena* a, u32 kernel_drops, const Rewrites* rewrites, int number)
