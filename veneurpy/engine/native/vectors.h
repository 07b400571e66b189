/* Several bytes or numbers at once: looking for delimiters, reading numbers, comparing, copying, sorting. */
#ifndef VENEURPY_VECTORS_H
#define VENEURPY_VECTORS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

/* The n bytes (1 to 8) before `end` as digits with at most one point: the digits as one number and how many of them
   follow the point. No branch depends on how many there are. 8 bytes before `end` are read. 0 where it is no such
   number, or it cannot be told here. */
static inline int vnp_brief_number(const uint8_t *end, int n, uint32_t *digits, int *decimals) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t ones = 0x0101010101010101u, zeros = '0' * ones, highs = 0x80 * ones, pairs = 0x000000FF000000FFu;
    uint64_t text, point, before;
    int at;
    memcpy(&text, end - 8, 8);
    /* Zeros take the place of what stands before the number. */
    text = (text >> (64 - 8 * n) << (64 - 8 * n)) | (zeros >> (4 * n) >> (4 * n));
    point = text ^ '.' * ones;
    point = (point - ones) & ~point & highs;
    *decimals = 0;
    if (point) {
        at = __builtin_ctzll(point) >> 3;
        before = ((uint64_t)1 << 8 * at) - 1;
        text = (text & ~(before << 8 | 0xFF)) | (text & before) << 8 | '0';
        *decimals = 7 - at;
        if (n == 1)
            return 0;
    }
    if (((text + 0x46 * ones) | (text - zeros)) & highs)
        return 0;
    text -= zeros;
    text = text * 10 + (text >> 8);
    *digits = (uint32_t)(((text & pairs) * (100 + (1000000ull << 32)) + (text >> 16 & pairs) * (1 + (10000ull << 32))) >> 32);
    return 1;
#else
    (void)end, (void)n, (void)digits, (void)decimals;
    return 0;
#endif
}

/* The place among 8 bytes of the first that is `byte`; 8 where there is none. */
static inline int vnp_byte_in8(const uint8_t *p, uint8_t byte) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    const uint64_t ones = 0x0101010101010101u, highs = 0x80 * ones;
    uint64_t text;
    memcpy(&text, p, 8);
    text ^= byte * ones;
    text = (text - ones) & ~text & highs;
    return text ? __builtin_ctzll(text) >> 3 : 8;
#else
    int at = 0;
    while (at < 8 && p[at] != byte)
        at++;
    return at;
#endif
}

/* Copies a line or so, without a call. */
static inline void vnp_copy_line(void *to, const void *from, size_t n) {
    if (n < 32) {
        memcpy(to, from, n);
        return;
    }
    for (size_t i = 0; i + 32 < n; i += 32)
        memcpy((char *)to + i, (const char *)from + i, 32);
    memcpy((char *)to + n - 32, (const char *)from + n - 32, 32);
}

/* What is sorted at once: some vectors. */
#define VNP_COLUMNS 8

#if defined(__SSE2__)
/* Are 16 bytes equal. */
static inline int vnp_equal16(const uint8_t *a, const uint8_t *b) {
    __m128i x = _mm_loadu_si128((const __m128i *)a), y = _mm_loadu_si128((const __m128i *)b);
    return _mm_movemask_epi8(_mm_cmpeq_epi8(x, y)) == 0xFFFF;
}

/* Of some bytes: which are ':', which are '|' or LF. */
typedef struct {
    uint64_t colons, ends;
} vnp_marks;

static inline vnp_marks vnp_marks_of(__m128i v) {
    const __m128i colon = _mm_set1_epi8(':'), pipe = _mm_set1_epi8('|'), lf = _mm_set1_epi8('\n');
    return (vnp_marks){(uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(v, colon)),
                       (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(v, pipe), _mm_cmpeq_epi8(v, lf)))};
}

/* Where `high` begins `at` bytes after `low`; they may overlap. */
static inline vnp_marks vnp_joined(vnp_marks low, vnp_marks high, size_t at) {
    return (vnp_marks){low.colons | high.colons << at, low.ends | high.ends << at};
}

static inline vnp_marks vnp_marks4(const uint8_t *p) {
    int32_t text;
    memcpy(&text, p, 4);
    return vnp_marks_of(_mm_cvtsi32_si128(text));
}
static inline vnp_marks vnp_marks8(const uint8_t *p) { return vnp_marks_of(_mm_loadl_epi64((const __m128i *)p)); }
static inline vnp_marks vnp_marks16(const uint8_t *p) { return vnp_marks_of(_mm_loadu_si128((const __m128i *)p)); }
static inline vnp_marks vnp_marks32(const uint8_t *p) { return vnp_joined(vnp_marks16(p), vnp_marks16(p + 16), 16); }
static inline vnp_marks vnp_marks64(const uint8_t *p) { return vnp_joined(vnp_marks32(p), vnp_marks32(p + 32), 32); }

__attribute__((target("avx2"))) static inline vnp_marks vnp_marks64_avx2(const uint8_t *p) {
    const __m256i colon = _mm256_set1_epi8(':'), pipe = _mm256_set1_epi8('|'), lf = _mm256_set1_epi8('\n');
    __m256i a = _mm256_loadu_si256((const __m256i *)p), b = _mm256_loadu_si256((const __m256i *)(p + 32));
    __m256i a_ends = _mm256_or_si256(_mm256_cmpeq_epi8(a, pipe), _mm256_cmpeq_epi8(a, lf));
    __m256i b_ends = _mm256_or_si256(_mm256_cmpeq_epi8(b, pipe), _mm256_cmpeq_epi8(b, lf));
    return (vnp_marks){(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, colon)) |
                           (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, colon)) << 32,
                       (uint32_t)_mm256_movemask_epi8(a_ends) |
                           (uint64_t)(uint32_t)_mm256_movemask_epi8(b_ends) << 32};
}

/* Of fewer than 64 bytes, none of them copied: the last vector overlaps the one before it. */
static inline vnp_marks vnp_marks_short(const uint8_t *p, size_t n) {
    if (n >= 32)
        return vnp_joined(vnp_marks32(p), vnp_marks32(p + n - 32), n - 32);
    if (n >= 16)
        return vnp_joined(vnp_marks16(p), vnp_marks16(p + n - 16), n - 16);
    if (n >= 8)
        return vnp_joined(vnp_marks8(p), vnp_marks8(p + n - 8), n - 8);
    if (n >= 4)
        return vnp_joined(vnp_marks4(p), vnp_marks4(p + n - 4), n - 4);
    vnp_marks m = {0, 0};
    for (size_t i = 0; i < n; i++)
        m = vnp_joined(m, vnp_marks_of(_mm_cvtsi32_si128(p[i])), i);
    return m;
}

#define VNP_SCAN(MARKS64)                                                                                              \
    do {                                                                                                               \
        size_t whole = size / 64, rest = size % 64;                                                                    \
        vnp_marks m = {0, 0};                                                                                          \
        for (size_t i = 0; i < whole; i++) {                                                                           \
            m = MARKS64(p + 64 * i);                                                                                   \
            colons[i] = m.colons;                                                                                      \
            ends[i] = m.ends;                                                                                          \
        }                                                                                                              \
        if (whole && rest) {                                                                                           \
            m = MARKS64(p + size - 64);                                                                                \
            m = (vnp_marks){m.colons >> (64 - rest), m.ends >> (64 - rest)};                                           \
        } else {                                                                                                       \
            m = vnp_marks_short(p, rest);                                                                              \
        }                                                                                                              \
        colons[whole] = m.colons;                                                                                      \
        ends[whole] = m.ends;                                                                                          \
    } while (0)

static inline void vnp_scan_sse2(const uint8_t *p, size_t size, uint64_t *colons, uint64_t *ends) {
    VNP_SCAN(vnp_marks64);
}

__attribute__((target("avx2"))) static inline void vnp_scan_avx2(const uint8_t *p, size_t size, uint64_t *colons,
                                                                 uint64_t *ends) {
    VNP_SCAN(vnp_marks64_avx2);
}

/* Puts the lower of each of VNP_COLUMNS pairs into `low`, the higher into `high`. No NaN, no -0.0. */
static inline void vnp_order_rows(double *low, double *high) {
    for (int i = 0; i < VNP_COLUMNS; i += 2) {
        __m128d a = _mm_loadu_pd(low + i), b = _mm_loadu_pd(high + i);
        _mm_storeu_pd(low + i, _mm_min_pd(a, b));
        _mm_storeu_pd(high + i, _mm_max_pd(a, b));
    }
}

/* Bit i of colons: p[i] is ':'; bit i of ends: p[i] is '|' or LF. Fills size / 64 + 1 words of each. */
static inline void vnp_scan(const uint8_t *p, size_t size, uint64_t *colons, uint64_t *ends) {
    if (__builtin_cpu_supports("avx2"))
        vnp_scan_avx2(p, size, colons, ends);
    else
        vnp_scan_sse2(p, size, colons, ends);
}
#else
static inline int vnp_equal16(const uint8_t *a, const uint8_t *b) { return memcmp(a, b, 16) == 0; }

static inline void vnp_order_rows(double *low, double *high) {
    for (int i = 0; i < VNP_COLUMNS; i++) {
        double a = low[i], b = high[i];
        low[i] = a < b ? a : b;
        high[i] = a < b ? b : a;
    }
}
static inline void vnp_scan(const uint8_t *p, size_t size, uint64_t *colons, uint64_t *ends) {
    memset(colons, 0, 8 * (size / 64 + 1));
    memset(ends, 0, 8 * (size / 64 + 1));
    for (size_t i = 0; i < size; i++) {
        colons[i / 64] |= (uint64_t)(p[i] == ':') << i % 64;
        ends[i / 64] |= (uint64_t)(p[i] == '|' || p[i] == '\n') << i % 64;
    }
}
#endif

#endif
