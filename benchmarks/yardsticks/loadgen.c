/* loadgen: sends deterministic DogStatsD datagrams to a port of 127.0.0.1, bounded in count and time.
 *
 * Prints one JSON object that says what it really sent, so that a receiver's books can be checked exactly.
 * With --write the lines go to a file, one after the other, instead of to a port.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "lines.h"

enum { BATCH = 64, DATAGRAM_MAX = 65507, SOCKETS_MAX = 64 };

struct options {
    int port;
    const char *write, *mix, *from;
    double rate, seconds; /* rate 0: as fast as possible */
    uint64_t datagrams, series, seed;
    unsigned lines_each, burst, sockets;
    int in_sequence;
};

struct sent {
    uint64_t datagrams, lines, bytes;
};

static struct lines lines;
static char (*buffers)[DATAGRAM_MAX];

static double now_s(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void sleep_until(double when_s) {
    struct timespec t = {(time_t)when_s, (long)((when_s - (double)(time_t)when_s) * 1e9)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
}

static void die(const char *what) {
    fprintf(stderr, "loadgen: %s: %s\n", what, strerror(errno));
    exit(1);
}

static const char USAGE[] =
    "usage: loadgen (--port N | --write FILE) [--datagrams N] [--seconds S] [--rate PER_S, 0 = flat out]\n"
    "               [--lines-each N] [--series N] [--mix mixed|counters|timers|sets|attack] [--sequence]\n"
    "               [--seed N] [--burst N] [--sockets N] [--from 127.0.0.N]\n";

static struct options parse(int argc, char **argv) {
    static const struct option known[] = {
        {"port", 1, 0, 'p'}, {"write", 1, 0, 'w'}, {"datagrams", 1, 0, 'd'}, {"seconds", 1, 0, 't'},
        {"rate", 1, 0, 'r'}, {"lines-each", 1, 0, 'l'}, {"series", 1, 0, 'n'}, {"mix", 1, 0, 'm'},
        {"sequence", 0, 0, 'q'}, {"seed", 1, 0, 's'}, {"burst", 1, 0, 'b'}, {"sockets", 1, 0, 'k'}, {"from", 1, 0, 'f'}, {0}};
    struct options o = {.mix = "mixed", .from = "127.0.0.1", .rate = 1000, .seconds = 10, .datagrams = UINT64_MAX, .series = 1000,
                        .seed = 1, .lines_each = 1, .burst = 16, .sockets = 1};
    for (int c; (c = getopt_long(argc, argv, "", known, NULL)) != -1;) switch (c) {
        case 'p': o.port = atoi(optarg); break;
        case 'w': o.write = optarg; break;
        case 'd': o.datagrams = strtoull(optarg, NULL, 10); break;
        case 't': o.seconds = atof(optarg); break;
        case 'r': o.rate = atof(optarg); break;
        case 'l': o.lines_each = (unsigned)atoi(optarg); break;
        case 'n': o.series = strtoull(optarg, NULL, 10); break;
        case 'm': o.mix = optarg; break;
        case 'q': o.in_sequence = 1; break;
        case 's': o.seed = strtoull(optarg, NULL, 10); break;
        case 'b': o.burst = (unsigned)atoi(optarg); break;
        case 'k': o.sockets = (unsigned)atoi(optarg); break;
        case 'f': o.from = optarg; break;
        default: fputs(USAGE, stderr); exit(2);
    }
    int bad = !o.port == !o.write || o.lines_each < 1 || o.lines_each > DATAGRAM_MAX / LINE_MAX_BYTES ||
              o.burst < 1 || o.burst > BATCH || o.sockets < 1 || o.sockets > SOCKETS_MAX;
    if (bad || lines_open(&lines, o.seed, o.series, o.mix, o.in_sequence)) {
        fputs(USAGE, stderr);
        exit(2);
    }
    return o;
}

/* The lines of one datagram, joined by LF. */
static size_t fill(char *to, unsigned lines_each) {
    size_t n = 0;
    for (unsigned i = 0; i < lines_each; i++) {
        if (i) to[n++] = '\n';
        n += lines_next(&lines, to + n);
    }
    return n;
}

static int open_socket(int port, const char *from) {
    struct sockaddr_in own = {.sin_family = AF_INET};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (inet_pton(AF_INET, from, &own.sin_addr) != 1 || fd < 0 || bind(fd, (struct sockaddr *)&own, sizeof own))
        die("bind");
    if (connect(fd, (struct sockaddr *)&to, sizeof to)) die("connect");
    return fd;
}

/* Sends all `n` datagrams, however many calls that takes: what was made was sent. */
static void send_all(int fd, struct mmsghdr *messages, unsigned n) {
    for (unsigned done = 0; done < n;) {
        int sent = sendmmsg(fd, messages + done, n - done, 0);
        if (sent > 0) done += (unsigned)sent;
        else if (errno != EINTR && errno != EAGAIN && errno != ENOBUFS) die("sendmmsg");
    }
}

/* How many datagrams are due now: sleeps until a burst is. A late sender catches up in larger batches. */
static unsigned due(const struct options *o, uint64_t sent, double start_s) {
    uint64_t left = o->datagrams - sent;
    unsigned most = left < BATCH ? (unsigned)left : BATCH;
    if (o->rate <= 0) return most;
    unsigned burst = most < o->burst ? most : o->burst;
    sleep_until(start_s + (double)(sent + burst) / o->rate);
    double late = (now_s() - start_s) * o->rate - (double)sent;
    return late < burst ? burst : late > most ? most : (unsigned)late;
}

static struct sent send_to_port(const struct options *o, double *elapsed_s) {
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    struct sent sent = {0};
    int fds[SOCKETS_MAX];
    memset(messages, 0, sizeof messages);
    for (unsigned i = 0; i < BATCH; i++) {
        vectors[i].iov_base = buffers[i];
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (unsigned i = 0; i < o->sockets; i++) fds[i] = open_socket(o->port, o->from);
    prctl(PR_SET_TIMERSLACK, 1UL);
    double start_s = now_s();
    for (uint64_t batch = 0; sent.datagrams < o->datagrams && now_s() - start_s < o->seconds; batch++) {
        unsigned n = due(o, sent.datagrams, start_s);
        for (unsigned i = 0; i < n; i++) sent.bytes += vectors[i].iov_len = fill(buffers[i], o->lines_each);
        send_all(fds[batch % o->sockets], messages, n);
        sent.datagrams += n;
        sent.lines += (uint64_t)n * o->lines_each;
    }
    *elapsed_s = now_s() - start_s;
    return sent;
}

static struct sent write_to_file(const struct options *o, double *elapsed_s) {
    struct sent sent = {0};
    FILE *out = fopen(o->write, "w");
    if (!out || o->datagrams == UINT64_MAX) die("--write needs a file that can be written, and --datagrams");
    double start_s = now_s();
    for (; sent.datagrams < o->datagrams; sent.datagrams++, sent.lines += o->lines_each) {
        size_t n = fill(buffers[0], o->lines_each);
        buffers[0][n++] = '\n';
        if (fwrite(buffers[0], 1, n, out) != n) die("fwrite");
        sent.bytes += n;
    }
    if (fclose(out)) die("fclose");
    *elapsed_s = now_s() - start_s;
    return sent;
}

int main(int argc, char **argv) {
    struct options o = parse(argc, argv);
    double elapsed_s;
    if (!(buffers = calloc(BATCH, sizeof *buffers))) die("calloc");
    struct sent sent = o.write ? write_to_file(&o, &elapsed_s) : send_to_port(&o, &elapsed_s);
    printf("{\"datagrams\": %llu, \"lines\": %llu, \"bytes\": %llu, ", (unsigned long long)sent.datagrams,
           (unsigned long long)sent.lines, (unsigned long long)sent.bytes);
    lines_print(&lines);
    printf(", \"elapsed_s\": %.6f, \"rate\": %.1f}\n", elapsed_s, (double)sent.datagrams / elapsed_s);
    return 0;
}
