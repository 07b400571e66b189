/* c_loop: the minimal loop in memory that a StatsD engine is measured against.
 *
 *   c_loop FILE SERIES PASSES counters|timers
 *
 * For each line of FILE: find its parts, hash name and tags, look the series up in an open-addressing table
 * of fixed size (no growth, load at most 0.5), add the value. Nothing is validated, nothing can be rejected.
 * Timers append to a buffer of the series (which wraps: there is no digest). The first pass inserts the
 * series and is not timed. Prints one JSON object; `cpu_s` is the process's CPU time of the timed passes.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SAMPLES = 32 };

struct entry {
    uint64_t hash; /* 0: free */
    const char *name, *tags;
    uint32_t name_len, tags_len;
    double sum;
    uint64_t count;
    double *samples;
};

static struct entry *table;
static uint64_t mask;

static inline uint64_t fold(uint64_t word, uint64_t h) {
    __uint128_t m = (__uint128_t)(word ^ h) * 0x9E3779B97F4A7C15u;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* Eight bytes at a time; the last eight may overlap those before. */
static inline uint64_t hash_bytes(const char *p, size_t n, uint64_t h) {
    const char *end = p + n;
    uint64_t word = 0;
    for (; end - p > 8; p += 8) {
        memcpy(&word, p, 8);
        h = fold(word, h);
    }
    if (n >= 8) memcpy(&word, end - 8, 8);
    else memcpy(&word, p, n);
    return fold(word, h ^ n);
}

static struct entry *find(const char *name, size_t name_len, const char *tags, size_t tags_len) {
    uint64_t h = hash_bytes(tags, tags_len, hash_bytes(name, name_len, 0x1337)) | 1;
    for (uint64_t at = (h >> 7) & mask;; at = (at + 1) & mask) {
        struct entry *e = &table[at];
        if (e->hash == h && e->name_len == name_len && e->tags_len == tags_len && !memcmp(e->name, name, name_len) &&
            !memcmp(e->tags, tags, tags_len))
            return e;
        if (e->hash) continue;
        *e = (struct entry){.hash = h, .name = name, .name_len = (uint32_t)name_len, .tags = tags,
                            .tags_len = (uint32_t)tags_len, .samples = calloc(SAMPLES, sizeof(double))};
        return e;
    }
}

/* Digits, at most one dot. */
static inline double number(const char *p, const char *end) {
    static const double scale[] = {1, 10, 100, 1000, 10000};
    uint64_t digits = 0;
    const char *dot = end;
    for (; p < end; p++) {
        if (*p == '.') dot = p + 1;
        else digits = digits * 10 + (uint64_t)(*p - '0');
    }
    return (double)digits / scale[(end - dot) & 3];
}

/* name:value|type|#tags */
static uint64_t pass(const char *p, const char *end, int timers) {
    uint64_t lines = 0;
    for (; p < end; lines++) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        const char *colon = memchr(p, ':', (size_t)(lf - p));
        const char *bar = memchr(colon, '|', (size_t)(lf - colon));
        const char *tags = memchr(bar + 1, '|', (size_t)(lf - bar - 1));
        struct entry *e = find(p, (size_t)(colon - p), tags, (size_t)(lf - tags));
        double value = number(colon + 1, bar);
        if (timers) e->samples[e->count % SAMPLES] = value;
        e->sum += value;
        e->count++;
        p = lf + 1;
    }
    return lines;
}

static double cpu_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int argc, char **argv) {
    if (argc != 5) return fputs("usage: c_loop FILE SERIES PASSES counters|timers\n", stderr), 2;
    uint64_t series = strtoull(argv[2], NULL, 10), passes = strtoull(argv[3], NULL, 10), lines = 0, slots = 1024;
    struct stat about;
    int fd = open(argv[1], O_RDONLY);
    if (fd < 0 || fstat(fd, &about)) return perror("c_loop"), 1;
    char *input = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    while (slots < 2 * series) slots *= 2;
    mask = slots - 1;
    table = calloc(slots, sizeof *table);
    if (input == MAP_FAILED || !table) return perror("c_loop"), 1;

    int timers = !strcmp(argv[4], "timers");
    pass(input, input + about.st_size, timers);
    double start_s = cpu_s(), sum = 0;
    for (uint64_t i = 0; i < passes; i++) lines += pass(input, input + about.st_size, timers);
    double used_s = cpu_s() - start_s;
    for (uint64_t i = 0; i < slots; i++) sum += table[i].sum;
    printf("{\"lines\": %llu, \"cpu_s\": %.9f, \"sum\": %.2f}\n", (unsigned long long)lines, used_s, sum);
    return 0;
}
