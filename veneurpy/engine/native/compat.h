/* What Cython cannot say of one machine word, a thread or a clock: builtins, barriers, atomics, signals. */
#ifndef VENEURPY_COMPAT_H
#define VENEURPY_COMPAT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
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

/* Both halves of an aligned pair in one store, so that no death of the process can tear them. */
#if defined(__SSE2__)
static inline void vnp_store_pair(void *dst, uint64_t lo, uint64_t hi) {
    _mm_store_si128((__m128i *)dst, _mm_set_epi64x((long long)hi, (long long)lo));
}
#elif defined(__aarch64__)
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

#endif
