/* What Cython cannot say: intrinsics, barriers, atomics and a few Linux socket calls. */
#ifndef VENEURPY_COMPAT_H
#define VENEURPY_COMPAT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <locale.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef VENEURPY_DEBUG
/* What this module holds: allocations, mappings. One may free what another allocated: the sum over the modules must
   balance, which tests assert (tests/sanitized.py). This file is then included before any other. */
__attribute__((weak)) int64_t vnp_held[2];

static inline void *vnp_hold(void *p, int kind) {
    if (p && p != MAP_FAILED)
        __atomic_add_fetch(&vnp_held[kind], 1, __ATOMIC_RELAXED);
    return p;
}
static inline void vnp_let_go(const void *p, int kind) {
    if (p)
        __atomic_sub_fetch(&vnp_held[kind], 1, __ATOMIC_RELAXED);
}
static inline void *vnp_reallocate(void *p, size_t bytes) {
    void *q = realloc(p, bytes);
    return p ? q : vnp_hold(q, 0);
}
static inline void vnp_free(void *p) {
    vnp_let_go(p, 0);
    free(p);
}
static inline int vnp_unmap(void *p, size_t bytes) {
    vnp_let_go(p, 1);
    return munmap(p, bytes);
}
#define malloc(bytes) vnp_hold(malloc(bytes), 0)
#define calloc(n, bytes) vnp_hold(calloc(n, bytes), 0)
#define realloc(p, bytes) vnp_reallocate(p, bytes)
#define free(p) vnp_free(p)
#define mmap(...) vnp_hold(mmap(__VA_ARGS__), 1)
#define munmap(p, bytes) vnp_unmap(p, bytes)
#endif

#define vnp_likely(x) __builtin_expect(!!(x), 1)
#define vnp_unlikely(x) __builtin_expect(!!(x), 0)
#define vnp_prefetch(p) __builtin_prefetch((p), 1, 3)
#define vnp_ctz64(x) __builtin_ctzll(x)
#define vnp_clz64(x) __builtin_clzll(x)

/* The compiler may not move stores across this. A killed thread stops at an instruction boundary, so what the
   process sees after its death is program order: no CPU fence is needed for one writer. */
#define vnp_barrier() __asm__ __volatile__("" ::: "memory")
/* Between threads: what was stored before it is seen before what is stored after it, and likewise for loads. */
static inline void vnp_fence(void) { __atomic_thread_fence(__ATOMIC_ACQ_REL); }

static inline uint64_t vnp_load_acquire(const uint64_t *p) { return __atomic_load_n(p, __ATOMIC_ACQUIRE); }
static inline void vnp_store_release(uint64_t *p, uint64_t v) { __atomic_store_n(p, v, __ATOMIC_RELEASE); }

/* Folded 64 x 64 -> 128 bit product, the step of a wyhash-like hash. */
static inline uint64_t vnp_mum(uint64_t a, uint64_t b) {
    __uint128_t r = (__uint128_t)a * b;
    return (uint64_t)r ^ (uint64_t)(r >> 64);
}

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

/* Both halves of an aligned pair in one store, so that no death of the process can tear them. */
static inline void vnp_store_pair(void *dst, uint64_t lo, uint64_t hi);

/* What is sorted at once: some vectors. */
#define VNP_COLUMNS 8

#if defined(__SSE2__)
#include <immintrin.h>
static inline void vnp_store_pair(void *dst, uint64_t lo, uint64_t hi) {
    _mm_store_si128((__m128i *)dst, _mm_set_epi64x((long long)hi, (long long)lo));
}

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
#if defined(__aarch64__)
#include <arm_neon.h>
static inline void vnp_store_pair(void *dst, uint64_t lo, uint64_t hi) {
    vst1q_u64((uint64_t *)dst, vcombine_u64(vcreate_u64(lo), vcreate_u64(hi)));
}
#else
/* No 16-byte store is known here: a crash between the halves shows as a failed check of the pair. */
static inline void vnp_store_pair(void *dst, uint64_t lo, uint64_t hi) {
    ((uint64_t *)dst)[0] = lo;
    ((uint64_t *)dst)[1] = hi;
}
#endif
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

/* Moves a watermark from what the caller saw; 0 when somebody else moved it first. */
static inline int vnp_move_mark(uint64_t *mark, uint64_t seen, uint64_t to) {
    return __atomic_compare_exchange_n(mark, &seen, to, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Adds to a counter that other threads add to; the sum. */
static inline uint64_t vnp_add_fetch(uint64_t *p, int64_t n) {
    return __atomic_add_fetch(p, (uint64_t)n, __ATOMIC_RELAXED);
}

static inline int vnp_bell_new(void) { return eventfd(0, EFD_CLOEXEC); }
static inline void vnp_bell_ring(int bell) {
    uint64_t one = 1;
    if (write(bell, &one, sizeof one) < 0) { /* Full: it rings already. */
    }
}
static inline void vnp_bell_wait(int bell) {
    uint64_t rings;
    while (read(bell, &rings, sizeof rings) < 0 && errno == EINTR) {
    }
}

static inline int vnp_receive_buffer(int fd) {
    int bytes = 0;
    socklen_t n = sizeof bytes;
    return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &n) == 0 ? bytes : 0;
}

static inline int64_t vnp_realtime_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static inline void vnp_sleep_ns(int64_t ns) {
    struct timespec t = {ns / 1000000000, ns % 1000000000};
    nanosleep(&t, NULL);
}

/* strtod in the C locale, whatever the process's: `text` ends with NUL. */
static inline double vnp_strtod(const char *text) {
    static locale_t c_locale = (locale_t)0;
    if (c_locale == (locale_t)0)
        c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    return strtod_l(text, NULL, c_locale);
}

enum { VNP_HUGE_PAGE = 1 << 21 };

/* Moves a range with memory behind it, of whole and aligned huge pages, into such; where that cannot be, it stays as
   it is. */
static inline void vnp_collapse(void *p, size_t bytes) {
#ifdef MADV_HUGEPAGE
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
    if (madvise(p, bytes, MADV_HUGEPAGE) == 0)
        madvise(p, bytes, MADV_COLLAPSE);
#else
    (void)p, (void)bytes;
#endif
}

/* From now on an allocation of a megabyte or more is a mapping of its own, which goes back to the system when it is
   freed. glibc would raise that bound to the largest that it has seen freed, and keep columns of an interval for ever. */
static inline void vnp_give_back_large(void) {
#ifdef __GLIBC__
    mallopt(M_MMAP_THRESHOLD, 1 << 20);
    mallopt(M_TRIM_THRESHOLD, 4 << 20);
#endif
}

/* Address space without memory behind it, from the beginning of a huge page if it is as large; NULL on failure. What is
   cut off, and what is put over it, is no mapping of its own: names in parentheses are not counted. */
static inline void *vnp_map(size_t bytes) {
    bytes = (bytes + 4095) & ~(size_t)4095;
    size_t spare = bytes < VNP_HUGE_PAGE ? 0 : VNP_HUGE_PAGE;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    char *p = (char *)mmap(NULL, bytes + spare, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (spare) {
        size_t before = -(uintptr_t)p % VNP_HUGE_PAGE;
        if (before)
            (munmap)(p, before);
        (munmap)(p + before + bytes, spare - before);
        p += before;
    }
#ifdef MADV_NOHUGEPAGE
    madvise(p, bytes, MADV_NOHUGEPAGE);
#endif
    return p;
}

/* The end of the step that begins at `at`. Memory comes and goes in steps, for as long as one of which the kernel
   holds its lock on the address space: in one go every thread that maps or unmaps anything would wait until the end,
   one of them with the interpreter's lock in its hand, and so all of them. */
static inline uintptr_t vnp_step(uintptr_t at, uintptr_t end) {
    uintptr_t next = (at / VNP_HUGE_PAGE + 1) * VNP_HUGE_PAGE;
    return next < end ? next : end;
}

/* Puts memory behind a page-aligned range; 0, or an errno. */
static inline int vnp_populate(void *p, size_t bytes) {
#ifdef MADV_POPULATE_WRITE
    uintptr_t at = (uintptr_t)p, end = at + bytes, next;
    for (; at < end; at = next) {
        next = vnp_step(at, end);
        if (madvise((void *)at, next - at, MADV_POPULATE_WRITE) != 0)
            break;
    }
    if (at == end)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
#endif
    for (size_t i = 0; i < bytes; i += 4096)
        ((volatile uint8_t *)p)[i] = ((volatile uint8_t *)p)[i];
    return 0;
}

/* Takes the memory from behind the whole pages of a range, whose bytes nobody needs any more: what is left for
   `munmap` or `free` to do takes no time. */
static inline void vnp_empty(void *p, size_t bytes) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t at = ((uintptr_t)p + page - 1) & ~(page - 1), end = ((uintptr_t)p + bytes) & ~(page - 1), next;
    for (; at < end; at = next) {
        next = vnp_step(at, end);
        madvise((void *)at, next - at, MADV_DONTNEED);
    }
}

/* A file's bytes; `shared` writes through to it. NULL on failure. */
static inline void *vnp_map_file(int fd, size_t bytes, int shared) {
    int flags = (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_NORESERVE | MAP_FIXED;
    void *p = vnp_map(bytes);
    if (p && (mmap)(p, bytes, PROT_READ | PROT_WRITE, flags, fd, 0) == MAP_FAILED) {
        munmap(p, bytes);
        return NULL;
    }
    return p;
}

/* Room in the file for a range, so that no store into its mapping can end in SIGBUS; 0, or an errno. */
static inline int vnp_reserve_file(int fd, size_t offset, size_t bytes) {
    return fallocate(fd, 0, (off_t)offset, (off_t)bytes) == 0 ? 0 : errno;
}

/* Whether room in the file can be reserved and given back, which its first page must be free for; 0, or an errno. What is
   given back must be zeros when it is taken again. */
static inline int vnp_try_file(int fd) {
    int failed = vnp_reserve_file(fd, 0, 4096);
    if (failed == 0 && fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) != 0)
        failed = errno;
    return failed;
}

/* Gives the memory behind a page-aligned range back; the addresses stay. `fd` is -1 for plain memory. */
static inline void vnp_release(void *base, int fd, size_t offset, size_t bytes) {
    if (fd >= 0)
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)bytes);
    else {
        madvise((uint8_t *)base + offset, bytes, MADV_DONTNEED);
#ifdef MADV_NOHUGEPAGE
        /* New memory comes in the pages that are asked for. */
        madvise((uint8_t *)base + offset, bytes, MADV_NOHUGEPAGE);
#endif
    }
}

#ifndef SO_MEMINFO
#define SO_MEMINFO 55
#endif
/* Words of the kernel's SK_MEMINFO array: bytes queued for reading, datagrams dropped (both wrap at 2^32). */
enum { VNP_MEM_QUEUED = 0, VNP_MEM_DROPS = 8, VNP_MEM_WORDS = 9 };

static inline int vnp_meminfo(int fd, uint32_t out[VNP_MEM_WORDS]) {
    socklen_t n = sizeof(uint32_t) * VNP_MEM_WORDS;
    memset(out, 0, n);
    return getsockopt(fd, SOL_SOCKET, SO_MEMINFO, out, &n) == 0 ? 0 : errno;
}

static inline int vnp_is_unix(int fd) {
    int domain = 0;
    socklen_t n = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &n) == 0 && domain == AF_UNIX;
}

/* From now on the kernel queues nothing new on this socket: what comes is counted by it as dropped. Not on Unix
   sockets, where nobody would count it. */
static inline int vnp_refuse_new(int fd) {
    if (vnp_is_unix(fd))
        return 0;
    struct sock_filter reject = {BPF_RET | BPF_K, 0, 0, 0};
    struct sock_fprog program = {1, &reject};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0 ? 0 : errno;
}

/* From now on senders get EPIPE; what is queued can still be read. */
static inline void vnp_refuse_senders(int fd) { shutdown(fd, SHUT_RD); }

/* A timer for each wait takes a part of a datagram's time that shows: who waits is woken by a signal instead. */
static inline int vnp_wait_for_ever(int fd) {
    struct timeval never = {0, 0};
    return setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &never, sizeof never) == 0 ? 0 : errno;
}

/* The name of this thread as the system shows it, cut to 15 bytes. Python tells it by itself since 3.14. */
static inline void vnp_name_thread(const char *name) { prctl(PR_SET_NAME, name); }

static inline void vnp_woken(int signal) { (void)signal; }

/* The thread for vnp_wake, which may interrupt its system calls from now on. By default the signal does nothing. */
static inline uint64_t vnp_wakeable(void) {
    struct sigaction action = {.sa_handler = vnp_woken};
    sigset_t urgent;
    sigemptyset(&urgent);
    sigaddset(&urgent, SIGURG);
    sigaction(SIGURG, &action, NULL);
    pthread_sigmask(SIG_UNBLOCK, &urgent, NULL);
    return (uint64_t)syscall(SYS_gettid);
}

/* Ends the system call that the thread waits in; if it is about to begin one, the next call of this does. */
static inline void vnp_wake(uint64_t thread) {
    if (thread)
        syscall(SYS_tgkill, getpid(), (pid_t)thread, SIGURG);
}

/* A batch of datagram buffers and what recvmmsg needs around them. The messages lie in a page of the caller's: where
   that outlives the process, it tells which datagrams the kernel had handed over. The kernel notes the length of each
   before it takes the next, and dies with the process only between system calls. */
enum { VNP_BATCH = 64 };
#define VNP_NOT_FETCHED 0xFFFFFFFFu
_Static_assert(sizeof(struct mmsghdr) * VNP_BATCH <= 4096, "the messages of a batch fit into a page");
/* Room for the credentials and nothing else: descriptors that a stranger passes along are closed by the kernel. */
typedef union {
    struct cmsghdr header;
    uint8_t bytes[CMSG_SPACE(sizeof(struct ucred))];
} vnp_control;
typedef struct {
    struct mmsghdr *messages;
    int has_credentials;
    int by_ones; /* no recvmmsg here */
    struct sockaddr_storage senders[VNP_BATCH];
    vnp_control controls[VNP_BATCH];
    struct iovec vectors[VNP_BATCH];
    size_t stride;
    uint8_t buffers[];
} vnp_batch;

static inline vnp_batch *vnp_batch_new(size_t datagram_bytes) {
    /* Not a power of two: the beginnings of all buffers would share a few sets of the cache. */
    size_t stride = (datagram_bytes + 4095) / 4096 * 4096 + 192;
    vnp_batch *b = (vnp_batch *)calloc(1, sizeof(vnp_batch) + stride * VNP_BATCH);
    if (!b)
        return NULL;
    b->stride = stride;
    for (int i = 0; i < VNP_BATCH; i++) {
        b->vectors[i].iov_base = b->buffers + stride * i;
        b->vectors[i].iov_len = datagram_bytes;
    }
    return b;
}

/* Goes on in another page, which is zeroed; what is in hand goes along. */
static inline void vnp_batch_move(vnp_batch *b, void *page) {
    struct mmsghdr *to = (struct mmsghdr *)page;
    for (int i = 0; i < VNP_BATCH; i++) {
        to[i].msg_hdr.msg_iov = &b->vectors[i];
        to[i].msg_hdr.msg_iovlen = 1;
        to[i].msg_hdr.msg_flags = b->messages ? b->messages[i].msg_hdr.msg_flags : 0;
        to[i].msg_hdr.msg_name = b->messages ? b->messages[i].msg_hdr.msg_name : NULL;
        to[i].msg_hdr.msg_namelen = b->messages ? b->messages[i].msg_hdr.msg_namelen : 0;
        to[i].msg_hdr.msg_control = b->messages ? b->messages[i].msg_hdr.msg_control : NULL;
        to[i].msg_hdr.msg_controllen = b->messages ? b->messages[i].msg_hdr.msg_controllen : 0;
        to[i].msg_len = b->messages ? b->messages[i].msg_len : VNP_NOT_FETCHED;
    }
    b->messages = to;
}

/* The first n are done with. */
static inline void vnp_batch_clear(vnp_batch *b, int n) {
    for (int i = 0; i < n; i++)
        b->messages[i].msg_len = VNP_NOT_FETCHED;
}

/* Datagrams that were handed over and are not done with, by a page that `vnp_batch_move` has filled; -1 where it says
   what no kernel says. */
static inline int vnp_batch_fetched(const void *page) {
    const struct mmsghdr *messages = (const struct mmsghdr *)page;
    int n = 0;
    for (int i = 0; i < VNP_BATCH; i++) {
        if (messages[i].msg_len == VNP_NOT_FETCHED)
            continue;
        if (messages[i].msg_len >= 0xFFFFFFu)
            return -1;
        n++;
    }
    return n;
}

/* Datagrams received, or -errno. With MSG_WAITFORONE one wake-up takes all that is queued. The library's call would make
   the thread cancellable and back. Where a sandbox does not know the call, or refuses it, one datagram a call is taken. */
static inline int vnp_batch_receive(vnp_batch *b, int fd, int block) {
    int n = 0;
    if (!b->by_ones) {
        long many = syscall(SYS_recvmmsg, fd, b->messages, VNP_BATCH, block ? MSG_WAITFORONE : MSG_DONTWAIT, NULL);
        if (many >= 0)
            return (int)many;
        if (errno != ENOSYS && errno != EPERM)
            return -errno;
        b->by_ones = 1;
    }
    for (; n < VNP_BATCH; n++) {
        ssize_t bytes = recvmsg(fd, &b->messages[n].msg_hdr, block && n == 0 ? 0 : MSG_DONTWAIT);
        if (bytes < 0)
            return n ? n : -errno;
        b->messages[n].msg_len = (unsigned)bytes;
    }
    return n;
}
/* Whether the next batch is to say who sent what: the kernel then copies an address for each datagram. */
static inline void vnp_batch_name(vnp_batch *b, int named) {
    for (int i = 0; i < VNP_BATCH; i++) {
        b->messages[i].msg_hdr.msg_name = named ? &b->senders[i] : NULL;
        b->messages[i].msg_hdr.msg_namelen = named ? sizeof b->senders[i] : 0;
        b->messages[i].msg_hdr.msg_control = named && b->has_credentials ? &b->controls[i] : NULL;
        b->messages[i].msg_hdr.msg_controllen = named && b->has_credentials ? sizeof b->controls[i] : 0;
    }
}
/* Asks the kernel who sends to a Unix socket. */
static inline void vnp_batch_ask_credentials(vnp_batch *b, int fd) {
    int on = 1;
    b->has_credentials = vnp_is_unix(fd) && setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0;
}
/* The sender's process, 0 where it is not ours to know, and user; false where the kernel has not said. */
static inline int vnp_batch_credentials(const vnp_batch *b, int i, uint32_t *pid, uint32_t *uid) {
    const struct cmsghdr *c = CMSG_FIRSTHDR(&b->messages[i].msg_hdr);
    struct ucred found;
    if (!b->has_credentials || !c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS ||
        c->cmsg_len != CMSG_LEN(sizeof found))
        return 0;
    memcpy(&found, CMSG_DATA(c), sizeof found);
    *pid = (uint32_t)found.pid;
    *uid = (uint32_t)found.uid;
    return 1;
}
/* The sender's address without its port: 4 or 16 bytes, an IPv4 address always as 4; 0 when it has none. */
static inline size_t vnp_batch_sender(const vnp_batch *b, int i, const uint8_t **address) {
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
    const struct sockaddr *from = (const struct sockaddr *)&b->senders[i];
    socklen_t size = b->messages[i].msg_hdr.msg_namelen;
    if (size >= sizeof(struct sockaddr_in) && from->sa_family == AF_INET) {
        *address = (const uint8_t *)&((const struct sockaddr_in *)from)->sin_addr;
        return 4;
    }
    if (size < sizeof(struct sockaddr_in6) || from->sa_family != AF_INET6)
        return 0;
    *address = (const uint8_t *)&((const struct sockaddr_in6 *)from)->sin6_addr;
    if (memcmp(*address, mapped, sizeof mapped))
        return 16;
    *address += sizeof mapped;
    return 4;
}
static inline const uint8_t *vnp_batch_data(const vnp_batch *b, int i) { return b->buffers + b->stride * i; }
static inline size_t vnp_batch_len(const vnp_batch *b, int i) { return b->messages[i].msg_len; }
static inline int vnp_batch_cut(const vnp_batch *b, int i) {
    return (b->messages[i].msg_hdr.msg_flags & MSG_TRUNC) != 0;
}

#endif
