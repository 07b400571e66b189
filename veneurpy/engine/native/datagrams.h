/* Sockets of datagrams: what the kernel says of them, and batches of recvmmsg. */
#ifndef VENEURPY_DATAGRAMS_H
#define VENEURPY_DATAGRAMS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

static inline int vnp_receive_buffer(int fd) {
    int bytes = 0;
    socklen_t n = sizeof bytes;
    return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, &n) == 0 ? bytes : 0;
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
