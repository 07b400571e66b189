"""Arena files that a process left behind when it died: what of them is sound.

Nothing in the file is believed: the arena's name and keys stand there twice with a check, every length and reference is
checked against the file's size, every key against its hash, every counter and gauge against the check in its pair,
every block against its kind, the accounts against one another and against what they were at most 128 datagrams
before. What fails is left out and counted; the rest is served to the merge by a list of entries.
"""
from veneurpy.engine.native.arena cimport Arena
from veneurpy.engine.native.compat cimport u8, u64

cdef struct Salvage:
    u64 series                          # sound entries with samples
    u64 broken                          # entries or stretches of entries that failed a check
    u64 side_lines
    u64 lost                            # datagrams that were taken from the socket and not applied


cdef enum:
    SALVAGED = 0
    NOT_AN_ARENA = 1                    # cut short, of another version, or not ours
    OTHER_BOOT = 2
    NOTHING_IN_IT = 3                   # it was being prepared, or belongs to no interval
    NO_MEMORY = 4
    NO_NAME = 5                         # nobody can tell what interval it was of


cdef int salvage(Arena* a, int fd, u64 size, const u8* boot_id, Salvage* out) noexcept nogil
cdef void salvage_close(Arena* a) noexcept nogil
