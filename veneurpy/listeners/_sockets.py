"""Datagram sockets on Linux: opening them, with errors that help; asking the kernel for drops."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import socket
import struct
import termios
from array import array
from dataclasses import dataclass

from veneurpy.config import ListenUrl
from veneurpy.errors import ListenError

# Of the kernel's headers; Python's socket module has none of them.
SO_ATTACH_FILTER = 26
SO_DETACH_FILTER = 27
SO_RCVBUFFORCE = 33
SO_MEMINFO = 55

_MEMINFO = struct.Struct("9I")
_MEMINFO_QUEUED, _MEMINFO_DROPS = 0, 8
_BPF_RETURN_0 = struct.pack("HBBI", 0x06, 0, 0, 0)
_U32 = 1 << 32
_FLAG = {"udp": "u", "tcp": "t", "tls": "t"}
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Bound:
    """The sockets of one listener: one for each reader, all on the same address."""

    sockets: tuple[socket.socket, ...]
    name: str
    """The URL with the port it really has."""
    buffer_bytes: int
    """The receive buffer that each got."""


def families(url: ListenUrl) -> list[tuple[socket.AddressFamily, str]]:
    """(family, host) to try in this order; the host may be a name yet."""
    if url.family == "4":
        return [(socket.AF_INET, url.host or "0.0.0.0")]
    if url.family == "6":
        return [(socket.AF_INET6, url.host or "::")]
    if not url.host:
        return [(socket.AF_INET6, "::"), (socket.AF_INET, "0.0.0.0")]
    if ":" in url.host:
        return [(socket.AF_INET6, url.host)]
    return [(socket.AF_INET, url.host), (socket.AF_INET6, url.host)]


def bind(url: ListenUrl, addresses: list[tuple[int, Address]], *, count: int, buffer: int) -> Bound:
    """Opens `count` sockets on the first (family, address) that this machine has.

    Raises ListenError, which says how to mend it.
    """
    for family, address in addresses[:-1]:
        try:
            return _bind(url, family, address, count, buffer)
        except OSError as exc:
            if exc.errno not in _NO_IPV6:
                raise _explained(url, exc) from exc
    family, address = addresses[-1]
    try:
        return _bind(url, family, address, count, buffer)
    except OSError as exc:
        raise _explained(url, exc) from exc


def bind_stream(url: ListenUrl, addresses: list[tuple[int, Address]]) -> socket.socket:
    """Opens a TCP socket on the first (family, address) that this machine has.

    Raises ListenError, which says how to mend it.
    """
    for family, address in addresses:
        try:
            return _open(url, family, address, share=False, kind=socket.SOCK_STREAM)
        except OSError as exc:
            if exc.errno not in _NO_IPV6 or (family, address) == addresses[-1]:
                raise _explained(url, exc) from exc
    raise ListenError(f"cannot listen on {url}: it has no address")


def take_over(url: ListenUrl, sockets: list[socket.socket], *, count: int, buffer: int) -> Bound:
    """Goes on with sockets that are open already, and opens what they are short of `count`."""
    for held in sockets:
        held.setblocking(True)
        # A process before this one may have refused datagrams at its end.
        with contextlib.suppress(OSError):
            held.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
        granted = _set_buffer(held, buffer)
    port = sockets[0].getsockname()[1]
    opened = [*sockets, *_more(url, sockets, count - len(sockets), buffer)]
    return Bound(tuple(opened), str(ListenUrl(url.scheme, url.host, port)), granted)


def _more(
    url: ListenUrl, sockets: list[socket.socket], count: int, buffer: int
) -> list[socket.socket]:
    """Sockets beside others of the same address; none where these are another user's."""
    more: list[socket.socket] = []
    first = sockets[0]
    try:
        for _ in range(count):
            for held in sockets:
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            more.append(_open(url, first.family, first.getsockname()[:2], share=True))
            _set_buffer(more[-1], buffer)
    except OSError:
        for opened in more:
            opened.close()
        return []
    return more


def _bind(url: ListenUrl, family: int, address: Address, count: int, buffer: int) -> Bound:
    if count > 1 and address[1]:
        # With SO_REUSEPORT a second daemon would silently take half of the traffic: without it,
        # binding fails if anybody is there.
        _open(url, family, address, share=False).close()
    sockets: list[socket.socket] = []
    try:
        for _ in range(count):
            opened = _open(url, family, address, share=count > 1)
            sockets.append(opened)
            address = (address[0], opened.getsockname()[1])
            granted = _set_buffer(opened, buffer)
    except OSError:
        for opened in sockets:
            opened.close()
        raise
    name = str(ListenUrl(url.scheme, url.host, address[1]))
    return Bound(tuple(sockets), name, granted)


def _open(
    url: ListenUrl,
    family: int,
    address: Address,
    *,
    share: bool,
    kind: int = socket.SOCK_DGRAM,
) -> socket.socket:
    opened = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            only = url.family == "6"
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        if kind == socket.SOCK_STREAM:
            # Connections that ended a moment ago do not keep the port.
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if share:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened


def _set_buffer(opened: socket.socket, wanted: int) -> int:
    """Asks for a receive buffer, beyond `net.core.rmem_max` if we may; returns what was granted."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, wanted)
    except OSError:  # not for us, or not known to a sandbox
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, wanted)
    # The kernel doubles it for its own bookkeeping and reports the double.
    return opened.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2


def _explained(url: ListenUrl, error: OSError) -> ListenError:
    mend = {
        errno.EADDRINUSE: (
            f"the address is in use, by another statsd daemon or by veneurpy itself: "
            f"`ss -{_FLAG[url.scheme[:3]]}lpn 'sport = :{url.port}'` shows by whom; "
            "stop it or choose another port"
        ),
        errno.EACCES: (
            "permission denied: ports below 1024 need root or CAP_NET_BIND_SERVICE; "
            "choose another port or give the capability"
        ),
        errno.EADDRNOTAVAIL: "this machine lacks that address: `ip addr` lists those it has",
        errno.EAFNOSUPPORT: "this machine has no IPv6: use a udp4:// address",
        errno.EMFILE: (
            "no descriptor is left: raise the limit of open files (LimitNOFILE= of the unit, "
            "`ulimit -n`)"
        ),
    }
    assert error.errno is not None
    return ListenError(f"cannot listen on {url}: {mend.get(error.errno, error.strerror)}")


def queued_bytes(opened: socket.socket) -> int:
    """What the kernel holds of unread datagrams, with its own overhead; 0 where it does not say."""
    return _meminfo(opened)[_MEMINFO_QUEUED]


def tells_drops(opened: socket.socket) -> bool:
    """Whether the kernel says what it has discarded: some sandboxes do not."""
    try:
        opened.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return False
    return True


def unread_bytes(fd: int) -> int:
    """What the kernel has ready to be read; 0 for a descriptor that is closed (-1)."""
    if fd < 0:
        return 0
    (count,) = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))
    return int(count)


def refuse_more(opened: socket.socket) -> None:
    """From now on the kernel drops (and counts) every datagram that arrives; the queue stays.

    A Unix socket's drops are counted by nobody: there the senders are turned away.
    """
    if opened.family == socket.AF_UNIX:
        opened.shutdown(socket.SHUT_RD)
        return
    program = array("B", _BPF_RETURN_0)
    # struct sock_fprog: the number of instructions and where they are.
    filters = struct.pack("HP", 1, program.buffer_info()[0])
    with contextlib.suppress(OSError):  # what comes in meanwhile is read as well then
        opened.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, filters)


class KernelDrops:
    """How many datagrams the kernel discarded at some sockets.

    SO_MEMINFO is exact at any time; SO_RXQ_OVFL speaks with the next datagram that gets through.
    """

    def __init__(self, sockets: tuple[socket.socket, ...]) -> None:
        self._sockets = sockets
        self._seen = [0] * len(sockets)
        self._kept = 0

    def take(self) -> int:
        """The datagrams discarded since the last call. Any thread."""
        fresh, self._kept = self._kept, 0
        for index, opened in enumerate(self._sockets):
            drops = _meminfo(opened)[_MEMINFO_DROPS]
            fresh += (drops - self._seen[index]) % _U32
            self._seen[index] = drops
        return fresh

    def close(self) -> None:
        """Looks for the last time, before the sockets are closed; `take` still hands that out."""
        self._kept = self.take()
        self._sockets = ()


def _meminfo(opened: socket.socket) -> tuple[int, ...]:
    try:
        return _MEMINFO.unpack(opened.getsockopt(socket.SOL_SOCKET, SO_MEMINFO, _MEMINFO.size))
    except OSError:  # a sandbox that does not know it
        return (0,) * 9
