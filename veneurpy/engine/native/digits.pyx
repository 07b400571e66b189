# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Schubfach (Raffaello Giulietti, "The Schubfach way to render doubles", 2021), laid out as Python's repr.

A double stands for all decimals that are read as it, an interval. At the scale where the interval is at least one unit
and less than ten wide, one of at most four integers is the answer.
"""
from libc.math cimport fabs, isinf, isnan
from libc.string cimport memcpy, memset

cdef extern from *:
    """
    static inline uint64_t vnp_multiply(uint64_t a, uint64_t b, uint64_t *high) {
        __uint128_t r = (__uint128_t)a * b;
        *high = (uint64_t)(r >> 64);
        return (uint64_t)r;
    }
    """
    u64 multiply "vnp_multiply"(u64, u64, u64* high) nogil

cdef enum:
    LEAST_POWER = -292
    MOST_POWER = 324
    SIGNIFICAND_BITS = 52
    EXPONENT_BIAS = 1075
    # repr writes an exponent where the point would stand farther from the digits.
    LEAST_POINT = -4
    MOST_POINT = 16

cdef double EXACT_INTEGERS = 9007199254740992.0

cdef struct Decimal:
    u64 digits
    int exponent

# 10^k as an upper and a lower half, rounded up, shifted so that the uppermost bit is set. Written once, below.
cdef u64 _powers[MOST_POWER - LEAST_POWER + 1][2]


cdef int _fill_powers() except -1:
    for k in range(LEAST_POWER, MOST_POWER + 1):
        above, below = (10 ** k, 1) if k >= 0 else (1, 10 ** -k)
        shift = 127 - ((k * 1741647) >> 19)
        if shift >= 0:
            above <<= shift
        else:
            below <<= -shift
        power = above // below + 1
        _powers[k - LEAST_POWER][0] = power >> 64
        _powers[k - LEAST_POWER][1] = power & 0xFFFFFFFFFFFFFFFF
    return 0


_fill_powers()


cdef inline u64 _round_to_odd(const u64* power, u64 c) noexcept nogil:
    """The upper bits of the product; the last of them says whether anything is below."""
    cdef u64 x_high, y_high, y
    multiply(power[1], c, &x_high)
    y = multiply(power[0], c, &y_high)
    y += x_high
    y_high += y < x_high
    return y_high | (y > 1)


cdef Decimal _shortest(u64 significand, int exponent) noexcept nogil:
    """Of a finite double other than 0, by the fields of its representation."""
    cdef bint closer = significand == 0 and exponent > 1     # the neighbour below is half as far
    cdef u64 c = significand | <u64>1 << SIGNIFICAND_BITS if exponent else significand
    cdef int q = (exponent if exponent else 1) - EXPONENT_BIAS
    cdef int k = (q * 1262611 - (524031 if closer else 0)) >> 22
    cdef int h = q + ((-k * 1741647) >> 19) + 1
    cdef const u64* power = _powers[-k - LEAST_POWER]
    cdef u64 odd = c & 1                                     # an even one owns the ends of its interval
    cdef u64 lower = _round_to_odd(power, (4 * c - 2 + closer) << h) + odd
    cdef u64 value = _round_to_odd(power, (4 * c) << h)
    cdef u64 upper = _round_to_odd(power, (4 * c + 2) << h) - odd
    cdef u64 s = value >> 2, tens
    cdef bint below_fits, above_fits
    cdef Decimal out
    out.exponent = k
    if s >= 10:
        tens = s // 10
        below_fits = lower <= 40 * tens
        above_fits = 40 * tens + 40 <= upper
        if below_fits != above_fits:
            out.digits = tens + above_fits
            out.exponent = k + 1
            return out
    below_fits = lower <= 4 * s
    above_fits = 4 * s + 4 <= upper
    if below_fits != above_fits:
        out.digits = s + above_fits
    else:
        # Both are within: the nearer one, of two equally near the even one.
        out.digits = s + (value + (s & 1) > 4 * s + 2)
    return out


cdef inline Py_ssize_t _write_digits(u8* out, u64 v) noexcept nogil:
    cdef u8 reversed_[20]
    cdef Py_ssize_t n = 0, i
    while True:
        reversed_[n] = <u8>(c'0' + v % 10)
        n += 1
        v //= 10
        if v == 0:
            break
    for i in range(n):
        out[i] = reversed_[n - 1 - i]
    return n


cdef Py_ssize_t write_integer(u8* out, i64 v) noexcept nogil:
    """Returns how many bytes were written, at most NUMBER_BYTES."""
    if v < 0:
        out[0] = c'-'
        return 1 + _write_digits(out + 1, <u64>0 - <u64>v)
    return _write_digits(out, <u64>v)


cdef Py_ssize_t _write_exponent(u8* out, const u8* digits, Py_ssize_t n, int exponent) noexcept nogil:
    cdef Py_ssize_t at = 1
    cdef int size = -exponent if exponent < 0 else exponent
    out[0] = digits[0]
    if n > 1:
        out[1] = c'.'
        memcpy(out + 2, digits + 1, <size_t>(n - 1))
        at = n + 1
    out[at] = c'e'
    out[at + 1] = c'-' if exponent < 0 else c'+'
    at += 2
    if size < 10:
        out[at] = c'0'
        at += 1
    return at + _write_digits(out + at, <u64>size)


cdef Py_ssize_t _write_decimal(u8* out, Decimal d) noexcept nogil:
    cdef u8 digits[20]
    cdef Py_ssize_t n, point
    while d.digits % 10 == 0:
        d.digits //= 10
        d.exponent += 1
    n = _write_digits(digits, d.digits)
    point = n + d.exponent
    if point <= LEAST_POINT or point > MOST_POINT:
        return _write_exponent(out, digits, n, <int>point - 1)
    if point <= 0:
        out[0] = c'0'
        out[1] = c'.'
        memset(out + 2, c'0', <size_t>-point)
        memcpy(out + 2 - point, digits, <size_t>n)
        return 2 - point + n
    if point >= n:
        memcpy(out, digits, <size_t>n)
        memset(out + n, c'0', <size_t>(point - n))
        out[point] = c'.'
        out[point + 1] = c'0'
        return point + 2
    memcpy(out, digits, <size_t>point)
    out[point] = c'.'
    memcpy(out + point + 1, digits + point, <size_t>(n - point))
    return n + 1


cdef Py_ssize_t write_number(u8* out, double v) noexcept nogil:
    """Returns how many bytes were written, at most NUMBER_BYTES."""
    cdef u64 bits
    cdef Py_ssize_t sign
    if fabs(v) < EXACT_INTEGERS and <double><i64>v == v:
        return write_integer(out, <i64>v)
    if isnan(v):
        memcpy(out, b"nan", 3)
        return 3
    sign = v < 0
    out[0] = c'-'
    if isinf(v):
        memcpy(out + sign, b"inf", 3)
        return sign + 3
    memcpy(&bits, &v, 8)
    return sign + _write_decimal(
        out + sign,
        _shortest(bits & ((<u64>1 << SIGNIFICAND_BITS) - 1), <int>(bits >> SIGNIFICAND_BITS & 0x7FF)),
    )


def number(double value):
    cdef u8 out[NUMBER_BYTES]
    cdef Py_ssize_t n = write_number(out, value)
    return (<const char*>out)[:n].decode()
