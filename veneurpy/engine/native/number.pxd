"""Decimal floats, exactly rounded, independent of the locale and without the GIL.

    [+-]? ( digits [ "." [digits] ] | "." digits ) ( [eE] [+-]? digits )?
"""
from libc.string cimport memcpy
from veneurpy.engine.native.compat cimport brief_number, c_strtod, i64, u8, u32, u64

cdef extern from *:
    """
    static const double vnp_pow10[23] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
                                         1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    """
    const double POW10 "vnp_pow10"[23]

# Sums cannot overflow: no value is beyond this.
cdef extern from *:
    """
    #define VNP_LARGEST_VALUE 1e290
    """
    double LARGEST_VALUE "VNP_LARGEST_VALUE"

cdef enum:
    # Beyond these a decimal exponent decides alone: the value is 0 or infinite whatever the digits.
    EXPONENT_LIMIT = 1_000_000


cdef inline bint parse_brief(const u8* end, Py_ssize_t n, double* out) noexcept nogil:
    """The n bytes before `end`, before which 8 bytes may be read: at most 8 of them, no sign, no exponent.

    False says nothing about the rest.
    """
    cdef u32 digits
    cdef int decimals
    if not 0 < n <= 8 or not brief_number(end, <int>n, &digits, &decimals):
        return False
    # Both operands are exact, so one division rounds correctly.
    out[0] = <double>digits / POW10[decimals] if decimals else <double>digits
    return True


cdef inline bint parse_short(const u8* p, Py_ssize_t n, double* out) noexcept nogil:
    """The numbers that clients send most, `123` and `4.56`: at most 16 bytes, no sign, no exponent.

    False says nothing about the rest.
    """
    cdef u64 mantissa = 0
    cdef Py_ssize_t i = 0, point
    cdef u8 d
    if n > 16:
        return False
    while i < n:
        d = <u8>(p[i] - c'0')
        if d > 9:
            break
        mantissa = mantissa * 10 + d
        i += 1
    if i == n:
        # 16 digits may be more than a double holds exactly.
        out[0] = <double>mantissa
        return 0 < n < 16
    point = i
    if p[i] != c'.':
        return False
    i += 1
    while i < n:
        d = <u8>(p[i] - c'0')
        if d > 9:
            return False
        mantissa = mantissa * 10 + d
        i += 1
    # Both operands are exact, so one division rounds correctly.
    out[0] = <double>mantissa / POW10[n - point - 1]
    return n > 1


cdef inline bint parse_number(const u8* p, Py_ssize_t n, char* scratch, double* out) noexcept nogil:
    """True and *out, or False when the bytes are not a decimal float. `scratch` has room for n + 1 bytes."""
    return parse_short(p, n, out) or parse_double(p, n, scratch, out)


cdef inline bint parse_double(const u8* p, Py_ssize_t n, char* scratch, double* out) noexcept nogil:
    """parse_number for any length and form."""
    cdef Py_ssize_t i = 0
    cdef u64 mantissa = 0
    cdef int digits = 0           # digits in the mantissa, leading zeros not counted
    cdef bint negative = False, any_digit = False, exact = True, exponent_negative = False
    cdef i64 scale = 0, exponent = 0
    cdef u8 d
    cdef double v
    if n > 0 and (p[0] == c'-' or p[0] == c'+'):
        negative = p[0] == c'-'
        i = 1
    while i < n:
        d = <u8>(p[i] - c'0')
        if d > 9:
            break
        any_digit = True
        if digits < 18:
            mantissa = mantissa * 10 + d
            digits += mantissa != 0
        else:
            exact = False
        i += 1
    if i < n and p[i] == c'.':
        i += 1
        while i < n:
            d = <u8>(p[i] - c'0')
            if d > 9:
                break
            any_digit = True
            if digits < 18:
                mantissa = mantissa * 10 + d
                digits += mantissa != 0
                scale -= 1
            else:
                exact = False
            i += 1
    if not any_digit:
        return False
    if i < n and (p[i] == c'e' or p[i] == c'E'):
        i += 1
        if i < n and (p[i] == c'-' or p[i] == c'+'):
            exponent_negative = p[i] == c'-'
            i += 1
        if i == n:
            return False
        while i < n:
            d = <u8>(p[i] - c'0')
            if d > 9:
                return False
            if exponent < EXPONENT_LIMIT:
                exponent = exponent * 10 + d
            i += 1
        scale += -exponent if exponent_negative else exponent
    if i != n:
        return False
    if exact and mantissa < (<u64>1 << 53) and -22 <= scale <= 22:
        # Clinger's fast path: both operands are exact, so one operation rounds correctly.
        v = <double>mantissa
        v = v * POW10[scale] if scale >= 0 else v / POW10[-scale]
        out[0] = -v if negative else v
        return True
    memcpy(scratch, p, <size_t>n)
    scratch[n] = 0
    out[0] = c_strtod(scratch)
    return True


cdef inline bint parse_integer(const u8* p, Py_ssize_t n, i64* out) noexcept nogil:
    """A decimal integer with an optional sign; saturates far outside of any timestamp."""
    cdef Py_ssize_t i = 0
    cdef bint negative = False
    cdef i64 v = 0
    cdef u8 d
    if n > 0 and (p[0] == c'-' or p[0] == c'+'):
        negative = p[0] == c'-'
        i = 1
    if i == n:
        return False
    while i < n:
        d = <u8>(p[i] - c'0')
        if d > 9:
            return False
        if v < (<i64>1 << 58):
            v = v * 10 + d
        i += 1
    out[0] = -v if negative else v
    return True
