# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The accounts of clients: an open-addressing table that never grows."""
from libc.string cimport memcmp, memcpy, memset
from veneurpy.engine.native.arena cimport (
    LINE_REASONS, VALUE_REASONS, Block, arena_take_high, block_at, block_new, block_reference,
)
from veneurpy.engine.native.hash cimport hash_bytes

cdef enum:
    FEWEST = 64
    MOST = 1024                         # 100 kB
    SHARE = 128                         # of the arena, at the most
    MADE_CLASS = 4                      # 16 + 1024 bytes


cdef void clients_begin(Arena* a) noexcept nogil:
    """An empty table."""
    cdef u64 size = MOST
    memset(&a.clients, 0, sizeof(a.clients))
    while size > FEWEST and size * sizeof(Client) > a.limit // SHARE:
        size //= 2
    a.clients.at = arena_take_high(a, size * sizeof(Client))
    if a.clients.at:
        a.clients.size = <u32>size
        memset(a.base + a.clients.at, 0, size * sizeof(Client))


cdef Client* client_of(Arena* a, u8 kind, const u8* name, u64 size) noexcept nogil:
    """The account of a client, a new one if need be; the shared one when there are too many. NULL without a table."""
    cdef Client* table = clients_of(a)
    cdef u32 mask = a.clients.size - 1, i
    if table == NULL:
        return NULL
    size = size if size < CLIENT_NAME_BYTES else CLIENT_NAME_BYTES
    i = <u32>hash_bytes(&a.header.identity.key, name, <Py_ssize_t>size, kind) & mask
    while True:
        i = i if i != OTHER_CLIENTS else 1
        if table[i].kind == NOBODY:
            break
        if table[i].kind == kind and table[i].size == size and memcmp(table[i].name, name, size) == 0:
            return &table[i]
        i = (i + 1) & mask
    # An eighth stays empty, so that looking ends soon.
    if a.clients.count >= a.clients.size // 8 * 7:
        return &table[OTHER_CLIENTS]
    a.clients.count += 1
    table[i].kind = kind
    table[i].size = <u8>size
    memcpy(table[i].name, name, size)
    return &table[i]


cdef void client_made(Arena* a, Client* client, const Entry* e, u16 weight) noexcept nogil:
    """A series is new, and the client's. Where there is no memory its bytes are not told in the end."""
    cdef MadeBlock* made = NULL
    cdef Block* b
    client.series += weight
    if a.clients.made:
        made = <MadeBlock*>(<u8*>block_at(a, a.clients.made) + sizeof(Block))
    if made == NULL or made.n == RECORDS:
        b = block_new(a, MADE_CLASS)
        if b == NULL:
            return
        b.kind = 0
        made = <MadeBlock*>(<u8*>b + sizeof(Block))
        made.next = a.clients.made
        made.n = 0
        a.clients.made = <u32>block_reference(a, b)
    made.made[made.n].entry = <u32>(<u64>(<const u8*>e - a.base) >> 4)
    made.made[made.n].client = <u16>(client - clients_of(a))
    made.made[made.n].weight = weight
    made.n += 1


cdef u64 _rejected(const Counters* c) noexcept nogil:
    cdef u64 total = 0
    cdef int i
    for i in range(LINE_REASONS):
        total += c.rejected[i]
    for i in range(VALUE_REASONS):
        total += c.values_rejected[i]
    return total


cdef void client_settle(Client* client, const Counters* before, const Counters* now, u16 weight) noexcept nogil:
    """Credits a client with what happened between two looks at the arena's counters."""
    client.datagrams += weight * (now.datagrams - before.datagrams)
    client.samples += weight * (now.values - before.values)
    client.folded += weight * (now.folded - before.folded)
    client.rejected += weight * (_rejected(now) - _rejected(before))
