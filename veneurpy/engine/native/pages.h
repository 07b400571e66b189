/* Memory of the system: address space, and the pages behind it. */
#ifndef VENEURPY_PAGES_H
#define VENEURPY_PAGES_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

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

#endif
