/* Counting what a debug build holds: allocations and mappings. */
#ifndef VENEURPY_HELD_H
#define VENEURPY_HELD_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
/* All that declare what is given another name below. */
#include <stdint.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <sys/mman.h>

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

#endif
