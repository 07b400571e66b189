"""Who sends, beyond an address: credentials of the socket, containers, what lines say; and the tags made of that."""
from veneurpy.engine.native.claims cimport Claims
from veneurpy.engine.native.compat cimport i64, u8, u32
from veneurpy.engine.native.parser cimport Parser
from veneurpy.engine.native.slice cimport Slice

cdef enum:
    CONTAINER_BYTES = 64
    NAME_BYTES = 46                     # of an account's name
    ORIGIN_ROOM = 512                   # what tags add to a line, at the most
    SAID_BYTES = 512

# Tags that may be wanted, in the order in which they are written: bits of `Origins.wanted`.
cdef enum:
    CONTAINER_ID = 1
    CONTAINER_NAME = 2
    POD_UID = 4
    CARDINALITY = 8
    PID = 16
    UID = 32

# What the kernel says of the sender.
cdef struct Sender:
    bint is_known
    u32 pid                             # 0: not ours to know
    u32 uid

cdef struct Process:
    u32 pid
    u32 size                            # 0: it runs in no container
    i64 until_ns
    u8 container[CONTAINER_BYTES]

# What was made of the last line's: lines of one sender say the same of it.
cdef struct Made:
    Claims claims
    u8 text[SAID_BYTES]                 # of the claims
    Slice container
    Slice name
    Slice pod
    Slice cardinality
    Sender sender                       # these and the process are whose the tags are
    const Process* process
    i64 until_ns
    u8 tags[ORIGIN_ROOM]                # each with a comma before it
    Py_ssize_t size                     # of the tags, -1 before they are made

cdef struct Origins:
    u32 wanted
    char* proc                          # where processes are looked up
    Process* processes                  # what was looked up, for a while
    Made made
    u8* lines                           # with their tags, until they are applied
    Py_ssize_t room


cdef bint origins_open(Origins* o, u32 wanted, const char* proc, Py_ssize_t max_bytes) noexcept nogil
cdef void origins_close(Origins* o) noexcept nogil
cdef Py_ssize_t origin_name(Origins* o, const Sender* s, const u8* data, Py_ssize_t size, bint claims, i64 now_ns,
                            u8* name) noexcept nogil
cdef void origin_take(Origins* o, Parser* p, const u8* data, Py_ssize_t size, bint cut, const Sender* s) noexcept nogil
