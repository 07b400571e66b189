"""What each client sent in one interval of one reader: a bounded table in the arena, and who made which series.

A client is an address without its port, or what else its transport knows it by. Those that come when the table is
full share one account, which has no budget. The table need not outlive the process. Whoever receives says whose bytes
come next (`client_of`) and has them accounted for when they are applied (`client_settle`); a sample of datagrams
stands for several.
"""
from veneurpy.engine.native.arena cimport Arena, Counters, Entry
from veneurpy.engine.native.compat cimport u8, u16, u32, u64

cdef enum:
    CLIENT_NAME_BYTES = 46
    OTHER_CLIENTS = 0                   # index of the shared account
    RECORDS = 127                       # of a block of `MadeBlock`

# What a client is known by.
cdef enum:
    NOBODY = 0
    TEXT = 1
    IP4 = 2
    IP6 = 3

cdef struct Client:
    u8 kind
    u8 size
    u8 name[CLIENT_NAME_BYTES]
    u64 datagrams
    u64 samples
    u64 series                          # made in this interval
    u64 stand_ins                       # folded and reduced series that it began beyond its bound
    u64 over                            # values of series that were one too many
    u64 folded
    u64 rejected                        # lines and values

# Who made a series.
cdef struct Made:
    u32 entry                           # offset / 16
    u16 client
    u16 weight                          # how many series it stands for

cdef struct MadeBlock:
    u32 next                            # reference of the block before
    u32 n
    Made made[RECORDS]


cdef inline Client* clients_of(const Arena* a) noexcept nogil:
    """`a.clients.size` accounts, the shared one first; NULL where there is no table."""
    return <Client*>(a.base + a.clients.at) if a.clients.at else NULL


cdef void clients_begin(Arena* a) noexcept nogil
cdef Client* client_of(Arena* a, u8 kind, const u8* name, u64 size) noexcept nogil
cdef void client_made(Arena* a, Client* client, const Entry* e, u16 weight) noexcept nogil
cdef void client_settle(Client* client, const Counters* before, const Counters* now, u16 weight) noexcept nogil
