# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Counters, gauges, digests and sets: what is no number, or too large a one, is rejected here."""
from libc.math cimport fabs, isfinite, isinf, isnan
from libc.string cimport memcpy, memset
from veneurpy.engine.native.arena cimport COUNTER, GAUGE, SET
from veneurpy.engine.native.blocks cimport Totals, totals_add, totals_clear
from veneurpy.engine.native.compat cimport i64, likely
from veneurpy.engine.native.hll cimport HLL_PRECISION, HLL_REGISTERS
from veneurpy.engine.native.hllwire cimport SET_BAD, SET_SPARSE, sketch_check
from veneurpy.engine.native.metric cimport (
    METRIC_BAD_DIGEST, METRIC_BAD_SET, METRIC_BAD_VALUE, METRIC_GOOD, METRIC_MALFORMED, SET_HASHES, SET_KEYS,
    SET_REGISTERS,
)
from veneurpy.engine.native.number cimport LARGEST_VALUE
from veneurpy.engine.native.protobuf cimport FIXED64, PB_FIELD, PB_MALFORMED, VARINT, Field, pb_double, pb_next
from veneurpy.engine.native.slice cimport cut

cdef enum:
    CENTROID_BYTES = 18                 # of a centroid with both numbers

cdef enum:
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
    #define VNP_LARGEST_WEIGHT 1e24
    """
    double LARGEST_SUM "VNP_LARGEST_SUM"
    double LARGEST_WEIGHT "VNP_LARGEST_WEIGHT"


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


cdef u32 value_key(u64 type_) noexcept nogil:
    """The field that a metric of the type has its value in."""
    if type_ == COUNTER:
        return COUNTER_FIELD
    if type_ == GAUGE:
        return GAUGE_FIELD
    return SET_FIELD if type_ == SET else HISTOGRAM_FIELD


cdef int value_read(Slice message, Metric* out) noexcept nogil:
    """The value of a metric whose type is known: METRIC_GOOD, or why not."""
    if out.type == COUNTER:
        return _read_counter(message, out)
    if out.type == GAUGE:
        return _read_gauge(message, out)
    return _read_set(message, out) if out.type == SET else _read_histogram(message, out)
