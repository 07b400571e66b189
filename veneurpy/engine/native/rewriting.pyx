# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""Names are numbered without the GIL; then a Rewriter is asked, with it, about each that there is.

The conditions of choices are compared without it again, and what they come to is asked about.
"""
cimport cython
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport Entry, Walk, entry_key, next_entry, walk_entries
from veneurpy.engine.native.compat cimport u8
from veneurpy.engine.native.hash cimport hash_bytes
from veneurpy.engine.native.intern cimport INTERN_FAILED, intern, interned, interner_close, interner_open
from veneurpy.engine.native.meter cimport meter_calloc, meter_free, meter_malloc
from veneurpy.engine.native.slice cimport cut, equal, find
from veneurpy.engine.native.tag_patterns cimport MATCH_GLOB, MATCH_REGEX, MOST_HELD, Condition, choice_held, fits
from veneurpy.engine.native.tags cimport next_plain

from veneurpy.engine import types
from veneurpy.engine.rewriting import Choice as ChoiceOf

cdef enum:
    FIRST_NAMES = 8
    ANY_NAME = 0xFFFFFFFF               # whose series are dropped
    MOST_REGEXES = 64
    TAGS_AT_ONCE = 1000                 # what Python objects are made of for one question


cdef u64 _verdict_of(const Rewrites* all_, Slice tag) noexcept nogil:
    cdef u32 number = interned(&all_.tags, hash_bytes(&all_.key, tag.data, tag.size, 0), tag)
    return all_.verdicts[number] if number != INTERN_FAILED else 0


cdef bint removes(const Rewrites* all_, const Rewrite* r, Slice tag) noexcept nogil:
    """Is the tag's key one of those that are removed, or does a pattern fit it."""
    cdef Slice key = cut(tag.data, tag.size, 0, find(tag, c':'))
    cdef u64 verdict = 0
    cdef int i
    for i in range(r.n_removed):
        if equal(r.removed[i], key):
            return True
    if r.n_stripped == 0:
        return False
    if r.judged:
        verdict = _verdict_of(all_, tag)
    for i in range(r.n_stripped):
        if fits(&r.stripped[i], tag, verdict):
            return True
    return False


cdef Slice _tags_of(Entry* e) noexcept nogil:
    """As they were sent."""
    return cut(entry_key(e), e.name_len + e.tags_len, e.name_len, e.name_len + e.tags_len)


cdef u64 _verdicts_of(const Rewrites* all_, Slice tags) noexcept nogil:
    """Which regular expressions are found in one of the tags."""
    cdef u64 verdicts = 0
    cdef Slice tag
    while next_plain(&tags, &tag):
        verdicts |= _verdict_of(all_, tag)
    return verdicts


cdef bint _number_tags_of(Rewrites* r, Slice tags) noexcept nogil:
    cdef Slice tag
    while next_plain(&tags, &tag):
        if intern(&r.tags, hash_bytes(&r.key, tag.data, tag.size, 0), tag) == INTERN_FAILED:
            return False
    return True


cdef u64 _entries(const Arena* a) noexcept nogil:
    cdef u64 total = 0
    cdef int t
    for t in range(SERIES_TYPES):
        total += a.header.entries[t]
    return total


# Goes through the entries of all arenas.
cdef struct Round:
    Arena** arenas
    Walk walk
    int arena
    u64 position                        # of the entry after this one


cdef Round _round(Arena** arenas) noexcept nogil:
    cdef Round out
    memset(&out, 0, sizeof(Round))
    out.arenas = arenas
    out.arena = -1
    return out


cdef Entry* _next_of(Round* at, const Rewrites* r, u32** number) noexcept nogil:
    """The next entry, and where the number of its rewrite is; NULL at the end."""
    cdef Entry* e = next_entry(&at.walk) if at.arena >= 0 else NULL
    while e == NULL:
        at.arena += 1
        if at.arena >= r.n_arenas:
            return NULL
        at.position = 0
        at.walk = walk_entries(at.arenas[at.arena])
        e = next_entry(&at.walk)
    number[0] = r.numbers[at.arena] + at.position
    at.position += 1
    return e


cdef void _free_rewrite(MemoryMeter meter, const Rewrite* r) noexcept:
    meter_free(&meter.meter, r.removed)
    meter_free(&meter.meter, r.stripped)
    meter_free(&meter.meter, r.added)


cdef void _free_choices(MemoryMeter meter, Rewrites* r, int t) noexcept:
    cdef u32 number
    if r.choices[t] != NULL:
        for number in range(r.names[t].count):
            meter_free(&meter.meter, r.choices[t][number].patterns)
            meter_free(&meter.meter, r.choices[t][number].conditions)
    meter_free(&meter.meter, r.choices[t])
    meter_free(&meter.meter, r.made[t])
    interner_close(&r.chosen[t])
    r.choices[t] = NULL
    r.made[t] = NULL


cdef bint _has_regex(tuple patterns):
    return any(pattern.match == MATCH_REGEX for pattern in patterns)


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
            for number in range(r.n_of[i]):
                _free_rewrite(self.meter, &r.of[i][number])
            meter_free(&self.meter.meter, r.of[i])
            _free_choices(self.meter, r, i)
            interner_close(&r.names[i])
        if r.numbers != NULL:
            for i in range(r.n_arenas):
                meter_free(&self.meter.meter, r.numbers[i])
        meter_free(&self.meter.meter, r.numbers)
        meter_free(&self.meter.meter, r.verdicts)
        interner_close(&r.tags)

    cdef bint _number_names(self, Arena** arenas, int n) noexcept nogil:
        """Which name each entry has. False when there is no memory."""
        cdef Rewrites* r = &self.rewrites
        cdef Round at = _round(arenas)
        cdef Entry* e
        cdef Slice name
        cdef u32* number = NULL
        cdef int i
        r.numbers = <u32**>meter_calloc(&self.meter.meter, <u64>n + 1, sizeof(u32*))
        if r.numbers == NULL:
            return False
        r.n_arenas = n
        for i in range(n):
            r.numbers[i] = <u32*>meter_malloc(&self.meter.meter, (_entries(arenas[i]) + 1) * sizeof(u32))
            if r.numbers[i] == NULL:
                return False
        e = _next_of(&at, r, &number)
        while e != NULL:
            name = cut(entry_key(e), e.name_len, 0, e.name_len)
            number[0] = intern(&r.names[e.type], hash_bytes(&r.key, name.data, name.size, 0), name)
            if number[0] == INTERN_FAILED:
                return False
            e = _next_of(&at, r, &number)
        return True

    cdef bint _number_tags(self, Arena** arenas) noexcept nogil:
        """Those of series of which regular expressions are asked. False when there is no memory."""
        cdef Rewrites* r = &self.rewrites
        cdef Round at = _round(arenas)
        cdef u32* number = NULL
        cdef Entry* e = _next_of(&at, r, &number)
        while e != NULL:
            if r.of[e.type][number[0]].judged and not _number_tags_of(r, _tags_of(e)):
                return False
            e = _next_of(&at, r, &number)
        return True

    cdef bint _choose(self, Arena** arenas) noexcept nogil:
        """Numbers the choices that are made, and the entries by them. False when there is no memory."""
        cdef Rewrites* r = &self.rewrites
        cdef Round at = _round(arenas)
        cdef u32* number = NULL
        cdef Entry* e = _next_of(&at, r, &number)
        while e != NULL:
            if r.choices[e.type][number[0]].conditions != NULL and not self._choose_one(e, number):
                return False
            e = _next_of(&at, r, &number)
        return True

    cdef bint _choose_one(self, Entry* e, u32* number) noexcept nogil:
        cdef Rewrites* r = &self.rewrites
        cdef u32 name = number[0], choice
        cdef Chosen* made = &r.made[e.type][r.chosen[e.type].count]
        cdef u64 verdicts = _verdicts_of(r, _tags_of(e)) if r.of[e.type][name].judged else 0
        made.held = choice_held(&r.choices[e.type][name], _tags_of(e), verdicts)
        made.name = <u32>ANY_NAME if made.held == ~<u64>0 else name
        choice = intern(&r.chosen[e.type], hash_bytes(&r.key, <u8*>made, sizeof(Chosen), 0),
                        cut(<u8*>made, sizeof(Chosen), 0, sizeof(Chosen)))
        if choice == INTERN_FAILED:
            return False
        number[0] = r.names[e.type].count + choice
        return True

    cdef ask(self, object rewriter, const HashKey* key, Arena** arenas, int n):
        """About every name of the arenas. Once."""
        cdef Rewrites* r = &self.rewrites
        cdef Slice name
        cdef bint done
        cdef u32 number
        cdef int t
        r.key = key[0]
        self._bits = {text: bit for bit, text in enumerate(rewriter.tag_regexes)}
        if len(self._bits) > MOST_REGEXES:
            raise ValueError(f"{len(self._bits)} regular expressions, and at most {MOST_REGEXES} are possible")
        with nogil:
            done = self._number_names(arenas, n)
        if not done:
            raise MemoryError("no memory to rewrite the interval")
        for t in range(SERIES_TYPES):
            r.of[t] = <Rewrite*>self._room(r.names[t].count, sizeof(Rewrite))
            r.n_of[t] = r.names[t].count
            type_ = types.MetricType(t)
            for number in range(r.names[t].count):
                name = r.names[t].strings[number]
                answer = rewriter.of((<const char*>name.data)[:name.size], type_)
                if answer is not None:
                    self._take_answer(t, number, answer)
        if self._bits:
            self._judge_tags(rewriter, arenas)
        if r.chooses:
            self._ask_chosen(rewriter, arenas)

    cdef _judge_tags(self, object rewriter, Arena** arenas):
        cdef Rewrites* r = &self.rewrites
        cdef bint done
        cdef u64 start
        if not interner_open(&r.tags, &self.meter.meter, FIRST_NAMES):
            raise MemoryError
        with nogil:
            done = self._number_tags(arenas)
        if not done:
            raise MemoryError("no memory to rewrite the interval")
        r.verdicts = <u64*>self._room(r.tags.count, sizeof(u64))
        for start in range(0, r.tags.count, TAGS_AT_ONCE):
            self._judge(rewriter, <u32>start, <u32>min(start + TAGS_AT_ONCE, <u64>r.tags.count))

    cdef _judge(self, object rewriter, u32 start, u32 end):
        """Asks for the verdicts of some tags."""
        cdef Rewrites* r = &self.rewrites
        cdef Slice* tags = r.tags.strings
        cdef list verdicts
        cdef u32 i
        verdicts = list(rewriter.verdicts([(<const char*>tags[i].data)[:tags[i].size] for i in range(start, end)]))
        if <u32>len(verdicts) != end - start:
            raise ValueError(f"{end - start} tags and {len(verdicts)} verdicts")
        for i in range(start, end):
            r.verdicts[i] = verdicts[i - start]

    cdef _ask_chosen(self, object rewriter, Arena** arenas):
        """About every choice that is made."""
        cdef Rewrites* r = &self.rewrites
        cdef Rewrite* of
        cdef Slice name
        cdef bint done
        cdef u32 number
        cdef u64 entries
        cdef int t, i
        for t in range(SERIES_TYPES):
            entries = 0
            for i in range(r.n_arenas):
                entries += arenas[i].header.entries[t]
            if r.choices[t] == NULL:
                r.choices[t] = <Choice*>self._room(r.names[t].count, sizeof(Choice))
            r.made[t] = <Chosen*>self._room(entries, sizeof(Chosen))
            if not interner_open(&r.chosen[t], &self.meter.meter, FIRST_NAMES):
                raise MemoryError
        with nogil:
            done = self._choose(arenas)
        if not done:
            raise MemoryError("no memory to rewrite the interval")
        for t in range(SERIES_TYPES):
            of = <Rewrite*>self._room(r.names[t].count + r.chosen[t].count, sizeof(Rewrite))
            memcpy(of, r.of[t], r.names[t].count * sizeof(Rewrite))
            meter_free(&self.meter.meter, r.of[t])
            r.of[t] = of
            r.n_of[t] = r.names[t].count + r.chosen[t].count
            type_ = types.MetricType(t)
            for number in range(r.chosen[t].count):
                made = r.made[t][number]
                if made.name == <u32>ANY_NAME:
                    of[r.names[t].count + number].acts = True
                    of[r.names[t].count + number].dropped = True
                    r.any = True
                    continue
                name = r.names[t].strings[made.name]
                rewrite = rewriter.chosen((<const char*>name.data)[:name.size], type_, made.held)
                if rewrite is not None:
                    self._take(&of[r.names[t].count + number], rewrite)
            _free_choices(self.meter, r, t)

    cdef _take_answer(self, int type_, u32 number, object answer):
        cdef Rewrites* r = &self.rewrites
        if not isinstance(answer, ChoiceOf):
            self._take(&r.of[type_][number], answer)
            return
        if r.choices[type_] == NULL:
            r.choices[type_] = <Choice*>self._room(r.names[type_].count, sizeof(Choice))
        self._take_choice(&r.choices[type_][number], answer)
        r.of[type_][number].judged = _has_regex(answer.stripped + sum(answer.dropping + answer.conditions, ()))
        r.chooses = True

    cdef _take_choice(self, Choice* out, object choice):
        cdef tuple dropping = choice.dropping
        cdef tuple conditions = dropping + choice.conditions
        cdef int i, at = 0
        if len(choice.conditions) > MOST_HELD:
            raise ValueError(f"{len(choice.conditions)} conditions, and at most {MOST_HELD} are possible")
        self._kept.append(choice)
        out.conditions = <Condition*>self._room(len(conditions), sizeof(Condition))
        out.patterns = self._patterns(sum(conditions, ()))
        for i, condition in enumerate(conditions):
            out.conditions[i].patterns = &out.patterns[at]
            out.conditions[i].n = len(condition)
            at += out.conditions[i].n
        out.n_dropping = len(dropping)
        out.n = len(conditions)

    cdef _take(self, Rewrite* out, object rewrite):
        cdef bytes name = rewrite.name
        cdef tuple removed = rewrite.removed, stripped = rewrite.stripped, added = rewrite.added
        self._kept.append(rewrite)
        out.name.data = <const unsigned char*><const char*>name
        out.name.size = len(name)
        out.removed = self._slices(removed)
        out.n_removed = len(removed)
        out.stripped = self._patterns(stripped)
        out.n_stripped = len(stripped)
        out.added = self._slices(added)
        out.n_added = len(added)
        out.dropped = rewrite.is_dropped
        out.yields = rewrite.yields
        out.judged = _has_regex(stripped)
        out.acts = True
        self.rewrites.any = True

    cdef Slice* _slices(self, tuple texts) except NULL:
        cdef Slice* out = <Slice*>self._room(len(texts), sizeof(Slice))
        cdef bytes text
        cdef int i
        for i, text in enumerate(texts):
            out[i].data = <const unsigned char*><const char*>text
            out[i].size = len(text)
        return out

    cdef TagPattern* _patterns(self, tuple patterns) except NULL:
        cdef TagPattern* out = <TagPattern*>self._room(len(patterns), sizeof(TagPattern))
        cdef bytes text
        cdef int i
        for i, (match, text) in enumerate(patterns):
            out[i].match = match
            out[i].text.data = <const unsigned char*><const char*>text
            out[i].text.size = len(text)
            out[i].of_key = match == MATCH_GLOB and b":" not in text
            if out[i].match == MATCH_REGEX:
                out[i].regex = <u64>1 << <int>self._bits[text]
        return out

    cdef void* _room(self, u64 count, u64 size) except NULL:
        """Zeros."""
        cdef void* room = meter_calloc(&self.meter.meter, count + 1, size)
        if room == NULL:
            raise MemoryError("no memory to rewrite the interval")
        return room
