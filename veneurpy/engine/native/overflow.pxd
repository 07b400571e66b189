"""Where the values of a line go whose spelling is new."""
from veneurpy.engine.native.arena cimport Entry
from veneurpy.engine.native.store cimport Item, Store

cdef struct Place:
    Entry* entry                        # NULL: nowhere, for the reason
    bint folded                         # it is another series than the line's own
    bint conflict                       # both scopes were named
    int reason                          # VALUE_STORE_FULL or VALUE_OVER_BUDGET


cdef Place place_new(Store* s, const Item* it) noexcept nogil
cdef Entry* place_folded(Store* s, const Item* it) noexcept nogil
