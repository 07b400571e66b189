# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""Names are numbered without the GIL; then a Rewriter is asked, with it, about each that there is."""
cimport cython
from libc.string cimport memset
from veneurpy.engine.native.arena cimport Entry, Walk, entry_key, next_entry, walk_entries
from veneurpy.engine.native.hash cimport hash_bytes
from veneurpy.engine.native.intern cimport INTERN_FAILED, intern, interner_close, interner_open
from veneurpy.engine.native.meter cimport meter_calloc, meter_free, meter_malloc
from veneurpy.engine.native.slice cimport cut, equal, find, next_part
from veneurpy.engine.native.tags cimport PLAIN, tag_word

from veneurpy.engine import types

cdef enum:
    FIRST_NAMES = 8


cdef Py_ssize_t _end_of(Slice piece, Slice text) noexcept nogil:
    """Where the first such piece of the text ends, or -1."""
    cdef Py_ssize_t end
    for end in range(piece.size, text.size + 1):
        if equal(cut(text.data, text.size, end - piece.size, end), piece):
            return end
    return -1


cdef bint _matches(Slice pattern, Slice text) noexcept nogil:
    """Is it the pattern's text, where `*` is any text."""
    cdef Slice piece = next_part(&pattern, c'*')
    cdef Py_ssize_t end
    if pattern.size < 0:
        return equal(piece, text)
    if not equal(cut(text.data, text.size, 0, piece.size), piece):
        return False
    text = cut(text.data, text.size, piece.size, text.size)
    while True:
        piece = next_part(&pattern, c'*')
        if pattern.size < 0:
            return equal(cut(text.data, text.size, text.size - piece.size, text.size), piece)
        end = _end_of(piece, text)
        if end < 0:
            return False
        text = cut(text.data, text.size, end, text.size)


cdef bint _fits_any(const Slice* patterns, int n, Slice tag) noexcept nogil:
    """Is one of the patterns of the tag, or without a colon of its key."""
    cdef Slice key = cut(tag.data, tag.size, 0, find(tag, c':'))
    cdef int i
    for i in range(n):
        if _matches(patterns[i], key if find(patterns[i], c':') == patterns[i].size else tag):
            return True
    return False


cdef bint drops(const Rewrite* r, Slice tags) noexcept nogil:
    """Are series with these tags, as sent, dropped."""
    cdef Slice tag
    if r.dropped or r.n_unwanted == 0:
        return r.dropped
    while tags.size >= 0:
        tag = next_part(&tags, c',')
        if tag.size and tag_word(tag) == PLAIN and _fits_any(r.unwanted, r.n_unwanted, tag):
            return True
    return False


cdef bint removes(const Rewrite* r, Slice tag) noexcept nogil:
    """Is the tag's key one of those that are removed, or does a pattern fit it."""
    cdef Slice key = cut(tag.data, tag.size, 0, find(tag, c':'))
    cdef int i
    for i in range(r.n_removed):
        if equal(r.removed[i], key):
            return True
    return r.n_stripped and _fits_any(r.stripped, r.n_stripped, tag)


cdef u64 _entries(const Arena* a) noexcept nogil:
    cdef u64 total = 0
    cdef int t
    for t in range(SERIES_TYPES):
        total += a.header.entries[t]
    return total


# The meter must be there when the memory goes, also in a cycle that is collected.
@cython.no_gc_clear
cdef class NativeRewrites:
    def __cinit__(self, MemoryMeter meter):
        cdef int t
        self.meter = meter
        self._kept = []
        memset(&self.rewrites, 0, sizeof(Rewrites))
        for t in range(SERIES_TYPES):
            if not interner_open(&self.rewrites.names[t], &meter.meter, FIRST_NAMES):
                raise MemoryError

    def __dealloc__(self):
        cdef Rewrites* r = &self.rewrites
        cdef u32 number
        cdef int i
        for i in range(SERIES_TYPES):
            if r.of[i] != NULL:
                for number in range(r.names[i].count):
                    meter_free(&self.meter.meter, r.of[i][number].removed)
                    meter_free(&self.meter.meter, r.of[i][number].stripped)
                    meter_free(&self.meter.meter, r.of[i][number].unwanted)
                    meter_free(&self.meter.meter, r.of[i][number].added)
            meter_free(&self.meter.meter, r.of[i])
            interner_close(&r.names[i])
        if r.numbers != NULL:
            for i in range(r.n_arenas):
                meter_free(&self.meter.meter, r.numbers[i])
        meter_free(&self.meter.meter, r.numbers)

    cdef bint _number_names(self, const HashKey* key, Arena** arenas, int n) noexcept nogil:
        """Which name each entry has. False when there is no memory."""
        cdef Rewrites* r = &self.rewrites
        cdef Walk walk
        cdef Entry* e
        cdef Slice name
        cdef u64 position
        cdef u32 number
        cdef int i
        r.numbers = <u32**>meter_calloc(&self.meter.meter, <u64>n + 1, sizeof(u32*))
        if r.numbers == NULL:
            return False
        r.n_arenas = n
        for i in range(n):
            r.numbers[i] = <u32*>meter_malloc(&self.meter.meter, (_entries(arenas[i]) + 1) * sizeof(u32))
            if r.numbers[i] == NULL:
                return False
            position = 0
            walk = walk_entries(arenas[i])
            e = next_entry(&walk)
            while e != NULL:
                name = cut(entry_key(e), e.name_len, 0, e.name_len)
                number = intern(&r.names[e.type], hash_bytes(key, name.data, name.size, 0), name)
                if number == INTERN_FAILED:
                    return False
                r.numbers[i][position] = number
                position += 1
                e = next_entry(&walk)
        return True

    cdef ask(self, object rewriter, const HashKey* key, Arena** arenas, int n):
        """About every name of the arenas. Once."""
        cdef Rewrites* r = &self.rewrites
        cdef Slice name
        cdef bint done
        cdef u32 number
        cdef int t
        with nogil:
            done = self._number_names(key, arenas, n)
        if not done:
            raise MemoryError("no memory to rewrite the interval")
        for t in range(SERIES_TYPES):
            r.of[t] = <Rewrite*>meter_calloc(&self.meter.meter, <u64>r.names[t].count + 1, sizeof(Rewrite))
            if r.of[t] == NULL:
                raise MemoryError("no memory to rewrite the interval")
            type_ = types.MetricType(t)
            for number in range(r.names[t].count):
                name = r.names[t].strings[number]
                rewrite = rewriter.of((<const char*>name.data)[:name.size], type_)
                if rewrite is not None:
                    self._take(&r.of[t][number], rewrite)
                    r.any = True

    cdef _take(self, Rewrite* out, object rewrite):
        cdef bytes name = rewrite.name
        cdef tuple removed = rewrite.removed, stripped = rewrite.stripped
        cdef tuple unwanted = rewrite.unwanted, added = rewrite.added
        self._kept.append(rewrite)
        out.name.data = <const unsigned char*><const char*>name
        out.name.size = len(name)
        out.removed = self._slices(removed)
        out.n_removed = len(removed)
        out.stripped = self._slices(stripped)
        out.n_stripped = len(stripped)
        out.unwanted = self._slices(unwanted)
        out.n_unwanted = len(unwanted)
        out.added = self._slices(added)
        out.n_added = len(added)
        out.dropped = rewrite.is_dropped
        out.yields = rewrite.yields
        out.acts = True

    cdef Slice* _slices(self, tuple texts) except NULL:
        cdef Slice* out = <Slice*>meter_malloc(&self.meter.meter, <u64>(len(texts) + 1) * sizeof(Slice))
        cdef bytes text
        cdef int i
        if out == NULL:
            raise MemoryError
        for i, text in enumerate(texts):
            out[i].data = <const unsigned char*><const char*>text
            out[i].size = len(text)
        return out
