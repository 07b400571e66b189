"""Tags that stand in a metric's name (veneurpy/engine/grammar.py says how)."""
from veneurpy.engine.native.compat cimport u8, u32
from veneurpy.engine.native.slice cimport Slice

# The numbers of engine.grammar.NameTags.
cdef enum:
    INFLUXDB = 1
    LIBRATO = 2
    SIGNALFX = 4
    GRAPHITE = 8

cdef struct NameParts:
    Slice name
    Slice tags                          # key:value, joined by commas, as they came
    u32 bad                             # left out: without a key or a value
    bint mixed                          # a second style that is on begins in it


cdef NameParts part_name(Slice text, u32 styles, u8* room) noexcept nogil
