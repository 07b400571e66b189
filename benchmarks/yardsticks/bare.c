/* bare: the least that a UDP receiver can do. A blocking recvmmsg loop with 64 buffers that only counts.
 *
 *   bare PORT|PATH RCVBUF_BYTES SLEEP_US [SPIN_NS]
 *
 * A path, which begins with a slash, is that of a Unix socket. SLEEP_US 0 is `bare`; 1000 is `bare_coalesced`: it
 * sleeps that long after a batch that was not full. With SPIN_NS it also looks at the clock after each batch until so
 * much time has passed, and counts its batches by the time from one's arrival until it is done with it ("busy": item i
 * holds i ns, from 8 on an eighth of an octave).
 * Prints "ready PORT" when it listens (PORT 0: any) and, at SIGTERM, one JSON object.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

enum { BATCH = 64, BUFFER = 8192, BUSY_BUCKETS = 304 };

static volatile sig_atomic_t stopping;
static char buffers[BATCH][BUFFER];
static uint64_t busy[BUSY_BUCKETS];

static void stop(int signal) {
    (void)signal;
    stopping = 1;
}

static void die(const char *what) {
    perror(what);
    exit(1);
}

static int open_socket(int port, int rcvbuf_bytes) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval wake = {0, 100000}; /* a signal just before recvmmsg is seen this much later */
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf_bytes, sizeof rcvbuf_bytes) ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wake, sizeof wake) || bind(fd, (struct sockaddr *)&at, sizeof at) ||
        getsockname(fd, (struct sockaddr *)&at, &len))
        die("bare: socket");
    printf("ready %d\n", ntohs(at.sin_port));
    fflush(stdout);
    return fd;
}

static int open_unix(const char *path) {
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    struct timeval wake = {0, 100000};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (strlen(path) >= sizeof at.sun_path) return fputs("bare: the path is too long\n", stderr), exit(1), -1;
    strcpy(at.sun_path, path);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wake, sizeof wake) ||
        bind(fd, (struct sockaddr *)&at, sizeof at))
        die("bare: socket");
    puts("ready 0");
    fflush(stdout);
    return fd;
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void count_busy(uint64_t ns) {
    int top = 63 - __builtin_clzll(ns | 8);
    int bucket = 8 * (top - 3) + (int)(ns >> (top - 3));
    busy[bucket < BUSY_BUCKETS ? bucket : BUSY_BUCKETS - 1]++;
}

static void print_busy(void) {
    printf(", \"busy\": [");
    for (int i = 0; i < BUSY_BUCKETS; i++) printf("%s%llu", i ? ", " : "", (unsigned long long)busy[i]);
    printf("]");
}

int main(int argc, char **argv) {
    if (argc != 4 && argc != 5) return fputs("usage: bare PORT RCVBUF_BYTES SLEEP_US [SPIN_NS]\n", stderr), 2;
    int times = argc == 5;
    uint64_t spin_ns = times ? strtoull(argv[4], NULL, 10) : 0;
    struct timespec nap = {0, atol(argv[3]) * 1000};
    struct sigaction on_term = {.sa_handler = stop};
    struct mmsghdr messages[BATCH];
    struct iovec vectors[BATCH];
    uint64_t datagrams = 0, bytes = 0, calls = 0;
    struct rusage used;

    sigaction(SIGTERM, &on_term, NULL);
    memset(messages, 0, sizeof messages);
    for (int i = 0; i < BATCH; i++) {
        vectors[i] = (struct iovec){buffers[i], BUFFER};
        messages[i].msg_hdr.msg_iov = &vectors[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int fd = argv[1][0] == '/' ? open_unix(argv[1]) : open_socket(atoi(argv[1]), atoi(argv[2]));
    while (!stopping) {
        int n = recvmmsg(fd, messages, BATCH, MSG_WAITFORONE, NULL);
        if (n < 0 && errno != EINTR && errno != EAGAIN) die("bare: recvmmsg");
        if (n <= 0) continue;
        uint64_t start_ns = times ? now_ns() : 0;
        for (int i = 0; i < n; i++) bytes += messages[i].msg_len;
        datagrams += (uint64_t)n;
        calls++;
        if (times) {
            while (now_ns() - start_ns < spin_ns) {
            }
            count_busy(now_ns() - start_ns);
        }
        if (nap.tv_nsec && n < BATCH) nanosleep(&nap, NULL);
    }
    getrusage(RUSAGE_SELF, &used);
    printf("{\"datagrams\": %llu, \"bytes\": %llu, \"calls\": %llu, \"cpu_s\": %.6f", (unsigned long long)datagrams,
           (unsigned long long)bytes, (unsigned long long)calls,
           (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
               (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6);
    if (times) print_busy();
    puts("}");
    return 0;
}
