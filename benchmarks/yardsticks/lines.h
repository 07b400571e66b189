/* Deterministic DogStatsD lines: the same seed, mix and series count give the same bytes everywhere.
 *
 *   shop.checkout.calls.000123:42|c|#env:prod,region:eu-west-1,svc:s123
 *   `--------- prefix -------'^^`------------- suffix -----------------'
 *
 * A series has one type for ever; name and tags together are 60 bytes long. Counters carry whole
 * numbers, so that their sum can be checked exactly. The mix "attack" is one counter, whose tag `id` has
 * another value in every line.
 */
#ifndef LINES_H
#define LINES_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum type { COUNTER, GAUGE, TIMER, HISTOGRAM, SET, TYPES };
enum { LINE_MAX_BYTES = 128, PART_MAX_BYTES = 48 };

struct series {
    uint8_t type, prefix_len, suffix_len;
    char prefix[PART_MAX_BYTES], suffix[PART_MAX_BYTES];
};

struct lines {
    struct series *series;
    uint64_t count, next, random;
    int in_sequence;           /* series one after the other instead of at random */
    int random_id;             /* every line ends with 16 random hex digits */
    uint64_t values[TYPES];    /* what has been made so far */
    uint64_t counter_sum;
};

/* splitmix64 */
static inline uint64_t draw(uint64_t *state) {
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

/* "counters", "attack", "timers", "sets", or "mixed": of 100 series 50 c, 15 g, 25 ms, 5 h, 5 s. Returns -1 for
 * another word. */
static int type_of(const char *mix, uint64_t series) {
    if (!strcmp(mix, "counters") || !strcmp(mix, "attack")) return COUNTER;
    if (!strcmp(mix, "timers")) return TIMER;
    if (!strcmp(mix, "sets")) return SET;
    if (strcmp(mix, "mixed")) return -1;
    unsigned slot = series % 100;
    return slot < 50 ? COUNTER : slot < 65 ? GAUGE : slot < 90 ? TIMER : slot < 95 ? HISTOGRAM : SET;
}

/* Returns 0, or -1 if `mix` is unknown or memory is short. */
static int lines_open(struct lines *l, uint64_t seed, uint64_t count, const char *mix, int in_sequence) {
    static const char *const words[] = {"calls", "depth", "delay", "sizes", "users"};
    static const char *const letters[] = {"c", "g", "ms", "h", "s"};
    memset(l, 0, sizeof *l);
    l->count = count;
    l->random = seed;
    l->in_sequence = in_sequence;
    l->random_id = !strcmp(mix, "attack");
    if (type_of(mix, 0) < 0 || count == 0 || !(l->series = calloc(count, sizeof *l->series))) return -1;
    for (uint64_t i = 0; i < count; i++) {
        struct series *s = &l->series[i];
        s->type = (uint8_t)type_of(mix, i);
        if (l->random_id) {
            s->prefix_len = (uint8_t)snprintf(s->prefix, sizeof s->prefix, "shop.attack.calls:");
            s->suffix_len = (uint8_t)snprintf(s->suffix, sizeof s->suffix, "|c|#env:prod,id:");
            continue;
        }
        s->prefix_len = (uint8_t)snprintf(s->prefix, sizeof s->prefix, "shop.checkout.%s.%06llu:",
                                          words[s->type], (unsigned long long)i % 1000000);
        s->suffix_len = (uint8_t)snprintf(s->suffix, sizeof s->suffix, "|%s|#env:prod,region:eu-west-1,svc:s%03llu",
                                          letters[s->type], (unsigned long long)i % 1000);
    }
    return 0;
}

static inline char *put_digits(char *to, unsigned value) {
    char digits[10];
    int n = 0;
    do digits[n++] = (char)('0' + value % 10); while (value /= 10);
    while (n) *to++ = digits[--n];
    return to;
}

static inline char *put_hex(char *to, uint64_t random) {
    for (int i = 0; i < 16; i++, random >>= 4) *to++ = "0123456789abcdef"[random & 15];
    return to;
}

static inline char *put_value(struct lines *l, int type, uint64_t random, char *to) {
    unsigned r = (unsigned)(random >> 40);
    if (type == COUNTER) {
        l->counter_sum += r % 100 + 1;
        return put_digits(to, r % 100 + 1);
    }
    if (type == SET) {
        *to++ = 'u';
        return put_digits(to, r % 10000);
    }
    to = put_digits(to, r / 100 % 1000); /* 0.00 to 999.99 */
    *to++ = '.';
    *to++ = (char)('0' + r / 10 % 10);
    *to++ = (char)('0' + r % 10);
    return to;
}

/* Writes the next line, without LF, and counts it. At most LINE_MAX_BYTES. Returns its length. */
static inline size_t lines_next(struct lines *l, char *to) {
    uint64_t random = draw(&l->random);
    uint64_t at = l->in_sequence ? l->next++ % l->count : (uint64_t)(((random & 0xffffffff) * l->count) >> 32);
    const struct series *s = &l->series[at];
    char *p = to;
    memcpy(p, s->prefix, s->prefix_len);
    p = put_value(l, s->type, random, p + s->prefix_len);
    memcpy(p, s->suffix, s->suffix_len);
    p += s->suffix_len;
    if (l->random_id) p = put_hex(p, draw(&l->random));
    l->values[s->type]++;
    return (size_t)(p - to);
}

static void lines_print(const struct lines *l) {
    printf("\"values\": {\"c\": %llu, \"g\": %llu, \"ms\": %llu, \"h\": %llu, \"s\": %llu}, \"counter_sum\": %llu",
           (unsigned long long)l->values[COUNTER], (unsigned long long)l->values[GAUGE],
           (unsigned long long)l->values[TIMER], (unsigned long long)l->values[HISTOGRAM],
           (unsigned long long)l->values[SET], (unsigned long long)l->counter_sum);
}
#endif
