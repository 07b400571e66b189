# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""An open-addressing table of strings that belong to somebody else."""
from libc.string cimport memset
from veneurpy.engine.native.compat cimport prefetch, u32, u64
from veneurpy.engine.native.meter cimport Meter, meter_calloc, meter_free, meter_malloc, meter_realloc
from veneurpy.engine.native.slice cimport Slice, equal
from veneurpy.engine.native.table cimport table_home, table_put


cdef bint interner_open(Interner* t, Meter* meter, u64 expected) noexcept nogil:
    """Room for so many strings before the first growth; False when there is no memory."""
    memset(t, 0, sizeof(Interner))
    t.meter = meter
    t.bits = 6
    while (<u64>1 << t.bits) < 2 * expected and t.bits < 31:
        t.bits += 1
    t.slots = <u64*>meter_calloc(meter, <u64>1 << t.bits, 8)
    t.strings = <Slice*>meter_malloc(meter, sizeof(Slice) << (t.bits - 1))
    if t.slots == NULL or t.strings == NULL:
        interner_close(t)
        return False
    return True


cdef void interner_close(Interner* t) noexcept nogil:
    meter_free(t.meter, t.slots)
    meter_free(t.meter, t.strings)
    memset(t, 0, sizeof(Interner))


cdef bint _resize(Interner* t, u32 bits) noexcept nogil:
    cdef u64* slots = <u64*>meter_calloc(t.meter, <u64>1 << bits, 8)
    cdef Slice* strings
    cdef u64 i
    if slots == NULL or bits > 31:
        meter_free(t.meter, slots)
        return False
    strings = <Slice*>meter_realloc(t.meter, t.strings, sizeof(Slice) << (bits - 1))
    if strings == NULL:
        meter_free(t.meter, slots)
        return False
    t.strings = strings
    for i in range(<u64>1 << t.bits):
        if t.slots[i] != 0:
            table_put(slots, bits, t.slots[i])
    meter_free(t.meter, t.slots)
    t.slots = slots
    t.bits = bits
    return True


cdef bint interner_expect(Interner* t, u64 expected) noexcept nogil:
    """Room for so many strings in all before the next growth; False, and nothing has changed, without memory."""
    cdef u32 bits = t.bits
    while (<u64>1 << bits) < 2 * expected and bits < 31:
        bits += 1
    return bits == t.bits or _resize(t, bits)


cdef u32 intern(Interner* t, u64 hash_, Slice s) noexcept nogil:
    """The string's number, a new one where it is new; INTERN_FAILED when there is no memory."""
    cdef u64 mask, i, slot
    if t.count >= (<u64>1 << t.bits) // 2 and not _resize(t, t.bits + 1):
        return INTERN_FAILED
    mask = (<u64>1 << t.bits) - 1
    i = table_home(hash_, t.bits)
    while t.slots[i] != 0:
        slot = t.slots[i]
        if slot >> 32 == hash_ >> 32 and equal(t.strings[<u32>slot - 1], s):
            return <u32>slot - 1
        i = (i + 1) & mask
    t.strings[t.count] = s
    t.count += 1
    t.bytes += <u64>s.size
    t.slots[i] = (hash_ >> 32 << 32) | t.count
    return t.count - 1


cdef u32 interned(const Interner* t, u64 hash_, Slice s) noexcept nogil:
    """The string's number; INTERN_FAILED where it has none."""
    cdef u64 mask = (<u64>1 << t.bits) - 1
    cdef u64 i = table_home(hash_, t.bits)
    cdef u64 slot
    while t.slots[i] != 0:
        slot = t.slots[i]
        if slot >> 32 == hash_ >> 32 and equal(t.strings[<u32>slot - 1], s):
            return <u32>slot - 1
        i = (i + 1) & mask
    return INTERN_FAILED


cdef inline const Slice* _likely(const Interner* t, u64 hash_) noexcept nogil:
    """The string that probably has this hash, NULL where it is new."""
    cdef u64 slot = t.slots[table_home(hash_, t.bits)]
    return &t.strings[<u32>slot - 1] if slot and slot >> 32 == hash_ >> 32 else NULL


cdef void intern_foresee(const Interner* t, const u64* hashes, int n) noexcept nogil:
    """Asks memory for what `intern` will read of strings with these hashes: a wait for all, not for each."""
    cdef const Slice* string
    cdef int i
    for i in range(n):
        prefetch(&t.slots[table_home(hashes[i], t.bits)])
    for i in range(n):
        string = _likely(t, hashes[i])
        if string != NULL:
            prefetch(string)
    for i in range(n):
        string = _likely(t, hashes[i])
        if string != NULL:
            prefetch(string.data)
