# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Reading and checking, in the order of METRIC_*: the first thing that is wrong counts."""
from libc.math cimport fabs, isfinite, isinf, isnan
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport COUNTER, GAUGE, SET, TIMER
from veneurpy.engine.native.blocks cimport Totals, totals_add, totals_clear
from veneurpy.engine.native.compat cimport i64, likely, u8, u32, u64
from veneurpy.engine.native.hll cimport HLL_PRECISION, HLL_REGISTERS
from veneurpy.engine.native.hllwire cimport SET_BAD, SET_SPARSE, sketch_check
from veneurpy.engine.native.protobuf cimport (
    BYTES, FIXED64, PB_FIELD, PB_MALFORMED, VARINT, Field, pb_double, pb_next,
)
from veneurpy.engine.native.slice cimport Slice, compare, cut, equal, find, next_part, sort_slices
from veneurpy.engine.native.sort cimport Centroid
from veneurpy.engine.native.tags cimport PLAIN, SINK_ONLY, SINK_WORD, tag_word
from veneurpy.engine.native.utf8 cimport is_text

cdef enum:
    LONGEST_KEY = 0xFF00                # as in the reference
    LONGEST_RAW = 2 * LONGEST_KEY
    FIRST_PARTS = 64
    CENTROID_BYTES = 18                 # of a centroid with both numbers
    LOCAL = 1
    GLOBAL = 2

cdef enum:
    # Keys of fields: number << 3 | wire type.
    NAME_FIELD = 1 << 3 | BYTES
    TAG_FIELD = 2 << 3 | BYTES
    TYPE_FIELD = 3 << 3 | VARINT
    COUNTER_FIELD = 5 << 3 | BYTES
    GAUGE_FIELD = 6 << 3 | BYTES
    HISTOGRAM_FIELD = 7 << 3 | BYTES
    SET_FIELD = 8 << 3 | BYTES
    SCOPE_FIELD = 9 << 3 | VARINT
    SAMPLES_FIELD = 100 << 3 | VARINT
    SINK_FIELD = 101 << 3 | BYTES
    FIRST_BYTES = 1 << 3 | BYTES
    FIRST_VARINT = 1 << 3 | VARINT
    FIRST_DOUBLE = 1 << 3 | FIXED64
    SECOND_DOUBLE = 2 << 3 | FIXED64
    MIN_FIELD = 3 << 3 | FIXED64
    MAX_FIELD = 4 << 3 | FIXED64
    RECIPROCAL_FIELD = 5 << 3 | FIXED64
    OWN_DOUBLE = 100 << 3 | FIXED64
    OWN_BYTES = 100 << 3 | BYTES
    OWN_MORE_BYTES = 101 << 3 | BYTES
    EXACT_FIELD = 102 << 3 | VARINT

cdef extern from *:
    """
    #define VNP_LARGEST_SUM 1e300
    #define VNP_LARGEST_VALUE 1e290
    #define VNP_LARGEST_WEIGHT 1e24
    #define VNP_MOST_SAMPLES 0xFFFFFFFFu
    """
    double LARGEST_SUM "VNP_LARGEST_SUM"
    double LARGEST_VALUE "VNP_LARGEST_VALUE"
    double LARGEST_WEIGHT "VNP_LARGEST_WEIGHT"
    u64 MOST_SAMPLES "VNP_MOST_SAMPLES"

# Fields as they came; tags and sinks are in the Tagger, tags from its start and sinks from its end.
cdef struct Raw:
    Py_ssize_t bytes                    # of tags and sinks, with a comma each
    Py_ssize_t tags
    Py_ssize_t sinks
    u64 type
    u64 scope
    u32 value_key
    Slice value


cdef bint _room(Tagger* t, Py_ssize_t parts, Py_ssize_t text) noexcept nogil:
    cdef void* p
    if parts > t.room:
        p = realloc(t.parts, 2 * <size_t>parts * sizeof(Slice))
        if p == NULL:
            return False
        t.parts = <Slice*>p
        t.room = 2 * parts
    if text > t.text_room:
        p = realloc(t.text, 2 * <size_t>text)
        if p == NULL:
            return False
        t.text = <u8*>p
        t.text_room = 2 * text
    return True


cdef bint tagger_open(Tagger* t) noexcept nogil:
    """False when there is no memory."""
    memset(t, 0, sizeof(Tagger))
    return _room(t, FIRST_PARTS, LONGEST_KEY)


cdef void tagger_close(Tagger* t) noexcept nogil:
    free(t.parts)
    free(t.text)
    memset(t, 0, sizeof(Tagger))


cdef int _read_raw(Tagger* t, Slice message, Raw* raw, Metric* out) noexcept nogil:
    """The outermost fields. Tags are kept in `t.parts`, sinks after them."""
    cdef Field f
    cdef int step = pb_next(&message, &f)
    while step == PB_FIELD:
        if f.key == NAME_FIELD:
            out.name = f.data
        elif f.key == TAG_FIELD:
            raw.bytes += f.data.size + 1
            if raw.bytes <= LONGEST_RAW:
                if not _room(t, raw.tags + 1, 0):
                    return METRIC_NO_MEMORY
                t.parts[raw.tags] = f.data
                raw.tags += 1
        elif f.key == TYPE_FIELD:
            raw.type = f.number
        elif f.key == SCOPE_FIELD:
            raw.scope = f.number
        elif f.key == SAMPLES_FIELD:
            out.samples = f.number if f.number < MOST_SAMPLES else MOST_SAMPLES
        elif f.key == SINK_FIELD:
            raw.bytes += f.data.size + 1
            raw.sinks += 1
        elif f.key in (COUNTER_FIELD, GAUGE_FIELD, HISTOGRAM_FIELD, SET_FIELD):
            raw.value_key = f.key
            raw.value = f.data
        step = pb_next(&message, &f)
    return METRIC_MALFORMED if step == PB_MALFORMED else METRIC_GOOD


cdef inline bint _append(Tagger* t, Slice* text, const char* word, Py_ssize_t word_size, Slice part) noexcept nogil:
    """Appends a tag; False when the text would be too long."""
    cdef u8* at = t.text + text.size
    if text.size + (text.size != 0) + word_size + part.size >= LONGEST_KEY:
        return False
    if text.size:
        at[0] = c','
        at += 1
    memcpy(at, word, <size_t>word_size)
    memcpy(at + word_size, part.data, <size_t>part.size)
    text.size = at + word_size + part.size - t.text
    return True


cdef bint _is_normal(const Slice* tags, Py_ssize_t n) noexcept nogil:
    """Are they as a sender of sorted tags has them: nothing to be done."""
    cdef Py_ssize_t i
    for i in range(n):
        if tags[i].size == 0 or tag_word(tags[i]) != PLAIN or find(tags[i], c',') < tags[i].size:
            return False
        if i and compare(tags[i - 1], tags[i]) >= 0:
            return False
    return True


cdef bint _split(Tagger* t, const Raw* raw, Slice message, Py_ssize_t* plain, Py_ssize_t* sinks) noexcept nogil:
    """Tags as sent to parts[raw.tags:][:plain], and sinks after them; False when there is no memory."""
    cdef Py_ssize_t i, sent = raw.tags, most = raw.tags
    cdef Slice rest, part
    cdef Field f
    if not _room(t, sent + raw.bytes, 0):
        return False
    for i in range(sent):
        rest = t.parts[i]
        while rest.size >= 0:
            part = next_part(&rest, c',')
            if part.size and tag_word(part) == PLAIN:
                t.parts[most] = part
                most += 1
    plain[0] = most - sent
    for i in range(sent):
        rest = t.parts[i]
        while rest.size >= 0:
            part = next_part(&rest, c',')
            if tag_word(part) == SINK_ONLY and part.size > SINK_WORD:
                t.parts[most] = cut(part.data, part.size, SINK_WORD, part.size)
                most += 1
    while pb_next(&message, &f) == PB_FIELD:
        if f.key == SINK_FIELD:
            rest = f.data
            while rest.size >= 0:
                part = next_part(&rest, c',')
                if part.size:
                    t.parts[most] = part
                    most += 1
    sinks[0] = most - sent - plain[0]
    return True


cdef bint _join(Tagger* t, Slice* text, const char* word, Py_ssize_t word_size, Slice* parts, Py_ssize_t n
                ) noexcept nogil:
    """Appends them sorted and distinct, each after `word`; False when that is too long."""
    cdef Py_ssize_t i
    sort_slices(parts, n)
    for i in range(n):
        if i and equal(parts[i], parts[i - 1]):
            continue
        if not _append(t, text, word, word_size, parts[i]):
            return False
    return True


cdef int _read_tags(Tagger* t, const Raw* raw, Slice message, Metric* out) noexcept nogil:
    cdef Py_ssize_t i, plain, sinks
    cdef Field f
    cdef Slice whole = message
    out.tags.data = t.text
    out.tags.size = 0
    if raw.bytes > LONGEST_RAW:
        return METRIC_BAD_TAGS
    for i in range(raw.tags):
        if not is_text(t.parts[i].data, t.parts[i].size):
            return METRIC_BAD_TAGS
    if raw.sinks == 0 and _is_normal(t.parts, raw.tags):
        for i in range(raw.tags):
            if not _append(t, &out.tags, b"", 0, t.parts[i]):
                return METRIC_BAD_TAGS
        return METRIC_GOOD
    while raw.sinks and pb_next(&message, &f) == PB_FIELD:
        if f.key == SINK_FIELD and not is_text(f.data.data, f.data.size):
            return METRIC_BAD_TAGS
    if not _split(t, raw, whole, &plain, &sinks):
        return METRIC_NO_MEMORY
    out.has_sinks = sinks != 0
    if not _join(t, &out.tags, b"", 0, t.parts + raw.tags, plain):
        return METRIC_BAD_TAGS
    if not _join(t, &out.tags, b"veneursinkonly:", SINK_WORD, t.parts + raw.tags + plain, sinks):
        return METRIC_BAD_TAGS
    return METRIC_GOOD


cdef int _read_counter(Slice message, Metric* out) noexcept nogil:
    cdef Field f
    cdef bint has_exact = False
    cdef int step = pb_next(&message, &f)
    out.number = 0.0
    while step == PB_FIELD:
        if f.key == FIRST_VARINT and not has_exact:
            out.number = <double><i64>f.number
        elif f.key == OWN_DOUBLE:
            out.number = pb_double(&f)
            has_exact = True
        step = pb_next(&message, &f)
    if step == PB_MALFORMED:
        return METRIC_MALFORMED
    return METRIC_GOOD if fabs(out.number) <= LARGEST_SUM else METRIC_BAD_VALUE


cdef int _read_gauge(Slice message, Metric* out) noexcept nogil:
    cdef Field f
    cdef int step = pb_next(&message, &f)
    out.number = 0.0
    while step == PB_FIELD:
        if f.key == FIRST_DOUBLE:
            out.number = pb_double(&f)
        elif f.key == OWN_DOUBLE:
            out.time_ns = <i64>(f.number & ~(<u64>1 << 63))
        elif f.key == OWN_MORE_BYTES:
            out.sender = f.data
        step = pb_next(&message, &f)
    if step == PB_MALFORMED:
        return METRIC_MALFORMED
    return METRIC_GOOD if fabs(out.number) <= LARGEST_VALUE else METRIC_BAD_VALUE


cdef int _read_centroid(Slice message, Centroid* out) noexcept nogil:
    cdef Field f
    cdef int step
    if likely(message.size == CENTROID_BYTES and message.data[0] == FIRST_DOUBLE and message.data[9] == SECOND_DOUBLE):
        memcpy(&out.mean, message.data + 1, 8)
        memcpy(&out.weight, message.data + 10, 8)
    else:
        out.mean = 0.0
        out.weight = 0.0
        step = pb_next(&message, &f)
        while step == PB_FIELD:
            if f.key == FIRST_DOUBLE:
                out.mean = pb_double(&f)
            elif f.key == SECOND_DOUBLE:
                out.weight = pb_double(&f)
            step = pb_next(&message, &f)
        if step == PB_MALFORMED:
            return METRIC_MALFORMED
    if fabs(out.mean) <= LARGEST_VALUE and 0.0 < out.weight <= LARGEST_WEIGHT:
        return METRIC_GOOD
    return METRIC_BAD_DIGEST


cdef bint digest_next(Slice* digest, Centroid* out) noexcept nogil:
    """Takes the next centroid off a digest that was checked; False after the last."""
    cdef Field f
    while pb_next(digest, &f) == PB_FIELD:
        if f.key == FIRST_BYTES:
            return _read_centroid(f.data, out) == METRIC_GOOD
    return False


cdef bint _are_sound(Totals* t) noexcept nogil:
    """Brings the sum of reciprocals into bounds; False where anything else is not."""
    if not (0.0 < t.weight <= LARGEST_SUM and fabs(t.sum) <= LARGEST_SUM and 0.0 <= t.zeros <= LARGEST_SUM):
        return False
    if not (-LARGEST_SUM <= t.low <= t.high <= LARGEST_SUM):
        return False
    if not fabs(t.reciprocal) <= LARGEST_SUM:
        # Of samples next to 0: what a sample of 0 makes of a harmonic mean, they do.
        t.zeros = t.zeros if t.zeros != 0.0 else 1.0
        t.reciprocal = 0.0
    return True


cdef int _read_digest(Metric* out) noexcept nogil:
    """The centroids, and what Veneur tells of the samples."""
    cdef Slice rest = out.digest
    cdef Field f
    cdef Centroid c
    cdef double low = 0.0, high = 0.0, reciprocal = 0.0, first = 0.0
    cdef int reason
    cdef int step = pb_next(&rest, &f)
    out.exact = True
    totals_clear(&out.total)
    while step == PB_FIELD:
        if f.key == FIRST_BYTES:
            reason = _read_centroid(f.data, &c)
            if reason != METRIC_GOOD:
                return reason
            totals_add(&out.total, c.mean, c.weight)
            first = c.weight if out.n == 0 else first
            out.exact = out.exact and c.weight == first
            out.n += 1
        elif f.key == MIN_FIELD:
            low = pb_double(&f)
        elif f.key == MAX_FIELD:
            high = pb_double(&f)
        elif f.key == RECIPROCAL_FIELD:
            reciprocal = pb_double(&f)
        step = pb_next(&rest, &f)
    if step == PB_MALFORMED:
        return METRIC_MALFORMED
    if out.n == 0:
        return METRIC_BAD_DIGEST
    if isfinite(low) and low < out.total.low:
        out.total.low = low
    if isfinite(high) and high > out.total.high:
        out.total.high = high
    out.total.reciprocal = reciprocal if fabs(reciprocal) <= LARGEST_SUM else 0.0
    # One sample of 0 made Veneur's sum infinite.
    out.total.zeros = 1.0 if isinf(reciprocal) else 0.0
    return METRIC_GOOD if _are_sound(&out.total) else METRIC_BAD_DIGEST


cdef int _read_moments(Slice message, Totals* out) noexcept nogil:
    """Those of no samples where the weight is 0."""
    cdef double numbers[7]
    cdef Field f
    cdef int step = pb_next(&message, &f)
    memset(numbers, 0, sizeof(numbers))
    while step == PB_FIELD:
        if f.key & 7 == FIXED64 and f.key >> 3 <= 6:
            numbers[f.key >> 3] = pb_double(&f)
        step = pb_next(&message, &f)
    if step == PB_MALFORMED:
        return METRIC_MALFORMED
    totals_clear(out)
    if numbers[1] == 0.0:
        return METRIC_GOOD
    out.weight = numbers[1]
    out.sum = numbers[2]
    out.low = numbers[3]
    out.high = numbers[4]
    out.reciprocal = 0.0 if isnan(numbers[5]) else numbers[5]
    out.zeros = numbers[6]
    return METRIC_GOOD if _are_sound(out) else METRIC_BAD_DIGEST


cdef int _read_own_histogram(Slice total, Slice direct, bint exact, Metric* out) noexcept nogil:
    cdef double low = out.total.low, high = out.total.high
    cdef int reason = _read_moments(total, &out.total)
    out.exact = exact
    if reason != METRIC_GOOD:
        return reason
    if out.total.weight == 0.0:
        return METRIC_BAD_DIGEST
    out.total.low = low if low < out.total.low else out.total.low
    out.total.high = high if high > out.total.high else out.total.high
    return _read_moments(direct, &out.direct)


cdef int _read_histogram(Slice message, Metric* out) noexcept nogil:
    cdef Field f
    cdef Slice total, direct
    cdef bint has_total = False, exact = False
    cdef int reason
    cdef int step = pb_next(&message, &f)
    direct = cut(message.data, 0, 0, 0)
    total = direct
    out.digest = direct
    while step == PB_FIELD:
        if f.key == FIRST_BYTES:
            out.digest = f.data
        elif f.key == OWN_BYTES:
            total = f.data
            has_total = True
        elif f.key == OWN_MORE_BYTES:
            direct = f.data
        elif f.key == EXACT_FIELD:
            exact = f.number != 0
        step = pb_next(&message, &f)
    if step == PB_MALFORMED:
        return METRIC_MALFORMED
    totals_clear(&out.direct)
    reason = _read_digest(out)
    if reason != METRIC_GOOD or not has_total:
        return reason
    return _read_own_histogram(total, direct, exact, out)


cdef bint _is_excess(Slice excess) noexcept nogil:
    """Are they registers that exist, with values that they may have."""
    cdef Py_ssize_t i
    cdef u32 pair
    if excess.size % 4:
        return False
    for i in range(0, excess.size, 4):
        memcpy(&pair, excess.data + i, 4)
        if pair >> 8 >= HLL_REGISTERS or pair & 0xFF > 64 - HLL_PRECISION + 1:
            return False
    return True


cdef int _read_set(Slice message, Metric* out) noexcept nogil:
    cdef Field f
    cdef bint has_hashes = False
    cdef int form
    cdef int step = pb_next(&message, &f)
    out.sketch = cut(message.data, 0, 0, 0)
    out.excess = out.sketch
    while step == PB_FIELD:
        if f.key == FIRST_BYTES:
            out.sketch = f.data
        elif f.key == OWN_BYTES:
            out.hashes = f.data
            has_hashes = True
        elif f.key == OWN_MORE_BYTES:
            out.excess = f.data
        step = pb_next(&message, &f)
    if step == PB_MALFORMED:
        return METRIC_MALFORMED
    if has_hashes:
        out.form = SET_HASHES
        out.n = <u32>(out.hashes.size // 8)
        return METRIC_BAD_SET if out.hashes.size % 8 else METRIC_GOOD
    form = sketch_check(out.sketch, &out.n)
    if form == SET_BAD:
        return METRIC_BAD_SET
    out.form = SET_KEYS if form == SET_SPARSE else SET_REGISTERS
    return METRIC_BAD_SET if out.form == SET_REGISTERS and not _is_excess(out.excess) else METRIC_GOOD


cdef u32 _value_key(u64 type_) noexcept nogil:
    """The field that a metric of the type has its value in."""
    if type_ == COUNTER:
        return COUNTER_FIELD
    if type_ == GAUGE:
        return GAUGE_FIELD
    return SET_FIELD if type_ == SET else HISTOGRAM_FIELD


cdef int _read_value(const Raw* raw, Metric* out) noexcept nogil:
    if out.type == COUNTER:
        return _read_counter(raw.value, out)
    if out.type == GAUGE:
        return _read_gauge(raw.value, out)
    return _read_set(raw.value, out) if out.type == SET else _read_histogram(raw.value, out)


cdef int metric_read(Tagger* t, Slice message, bint foreign, Metric* out) noexcept nogil:
    """METRIC_GOOD, METRIC_NO_MEMORY, or why not. `foreign`: it is Veneur's."""
    cdef Raw raw
    cdef int reason
    memset(&raw, 0, sizeof(Raw))
    memset(out, 0, sizeof(Metric))
    out.name = cut(message.data, 0, 0, 0)
    out.samples = 1
    out.time_ns = -1
    reason = _read_raw(t, message, &raw, out)
    if reason != METRIC_GOOD:
        return reason
    if raw.type > TIMER:
        return METRIC_BAD_TYPE
    out.type = <u8>raw.type
    if out.name.size == 0 or out.name.size > LONGEST_KEY or not is_text(out.name.data, out.name.size):
        return METRIC_BAD_NAME
    reason = _read_tags(t, &raw, message, out)
    if reason != METRIC_GOOD:
        return reason
    if raw.scope > GLOBAL or (foreign and raw.scope == LOCAL):
        return METRIC_BAD_SCOPE
    out.scope = GLOBAL if foreign and (out.type == COUNTER or out.type == GAUGE) else <u8>raw.scope
    if raw.value_key != _value_key(out.type):
        return METRIC_NO_VALUE
    return _read_value(&raw, out)
