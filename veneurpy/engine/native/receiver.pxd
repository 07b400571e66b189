"""One reader: a parser, a store, the arenas it swaps between, and a socket where it has one."""
from veneurpy.engine.native.arena cimport Arena
from veneurpy.engine.native.compat cimport Batch, i64, u8, u32, u64
from veneurpy.engine.native.hash cimport HashKey
from veneurpy.engine.native.origin cimport Origins, Sender
from veneurpy.engine.native.parser cimport Parser
from veneurpy.engine.native.ring cimport Ring
from veneurpy.engine.native.store cimport Store

cdef enum:
    NOTHING_ASKED = 0
    SWAP_ASKED = 1
    BUSY_BUCKETS = 304                  # up to 18 minutes
    SAMPLED = 64

cdef enum ReceiverState:
    IDLE = 0
    RUNNING = 1
    ENDED = 2

cdef struct Receiver:
    Parser parser
    Store store
    Origins origins
    Arena* arena                        # the open one; only the reader's thread writes it while it runs
    Arena* spare                        # prepared by the rotator, taken at the swap
    Arena* closed                       # left by the swap
    Batch* batch
    Ring ring                           # what came last, for captures
    u64 asked                           # atomic: SWAP_ASKED until the reader has swapped
    u64 state                           # atomic: ReceiverState
    u64 thread                          # atomic: for `wake`, once it runs
    u64 stop_at_ns                      # atomic: 0, or when draining must end (CLOCK_REALTIME)
    int fd
    bint all_clients                    # look at every batch's senders, not at one batch in SAMPLED
    u64 batches                         # received so far
    bint coalesces                      # it may sleep so that datagrams gather
    i64 last_short_ns                   # when the last batch came that was not full
    u64 since_short                     # datagrams taken since
    double pace                         # datagrams a millisecond lately: high within a burst
    double came_lately                  # datagrams, the longer ago the less: as many as came in LATELY_NS
    double most_asleep                  # how many may come while the reader sleeps
    u64 busy[BUSY_BUCKETS]              # batches by the time they took in ns: 8 buckets an octave
    u32 drops_seen                      # the kernel's counter at the last look
    u32 drops_left                      # those of a socket that is gone, until they are asked for


cdef bint receiver_attach(Receiver* r, int fd, Py_ssize_t max_bytes) noexcept nogil
cdef void receiver_take(Receiver* r, const u8* data, Py_ssize_t size, bint truncated, i64 now_ns, const u8* client,
                        u64 client_size, const Sender* sender) noexcept nogil
cdef void receiver_run(Receiver* r) noexcept nogil
cdef void receiver_wake(Receiver* r) noexcept nogil
cdef void receiver_swap(Receiver* r) noexcept nogil
cdef u32 receiver_new_drops(Receiver* r) noexcept nogil
cdef void receiver_detach(Receiver* r) noexcept nogil
