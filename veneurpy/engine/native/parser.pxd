"""Datagrams to lines to groups of items: the grammar of DogStatsD."""
from veneurpy.engine.native.arena cimport SERIES_TYPES
from veneurpy.engine.native.compat cimport i64, u8, u32, u64
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.scan cimport Scan
from veneurpy.engine.native.store cimport Group, Store

cdef struct Parser:
    Store* store
    HashKey key
    Scan marks
    Group group
    u64 type_marks[SERIES_TYPES]        # what each type adds to a spelling's hash
    u32 values_limit                    # a group with more values is applied before the next line
    char* scratch                       # a number as text with a NUL
    i64 now_ns
    i64 interval_ms                     # how far in the future a T may lie
    i64 late_ms                         # how old it may be
    Py_ssize_t max_bytes
    bint is_statsd                      # signs of gauges are changes, m is a counter
    u8 changing                         # the type whose signs mean something, if any
    u32 name_tags                       # the styles that are on
    u8* parted                          # names and tags of the group's lines, where tags were taken off
    Py_ssize_t parted_used
    Py_ssize_t parted_room


cdef bint parser_open(Parser* p, Store* store, const HashKey* key, Py_ssize_t max_bytes,
                      i64 interval_ms, i64 late_ms, u32 name_tags, bint is_statsd) noexcept nogil
cdef void parser_close(Parser* p) noexcept nogil
cdef void parse_datagram(Parser* p, const u8* data, Py_ssize_t size, bint cut) noexcept nogil
cdef void parser_flush(Parser* p) noexcept nogil
