"""A name server on loopback, by UDP and TCP, whose records and troubles a test changes."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from threading import Thread
from typing import Any, Literal

from dnslib import QTYPE, RCODE, RR, DNSError
from dnslib.server import BaseResolver, DNSLogger, DNSServer

Trouble = Literal["", "silent", "SERVFAIL", "REFUSED", "NXDOMAIN", "truncated"]
OLD_UDP_BYTES = 512
"""Of an answer, if the question does not say that more is welcome."""
TRIES = 20
POLL_S = 0.01
"""How long the end of a server may take."""


class NameServer(BaseResolver):  # type: ignore[misc]
    """Answers from its zone, aliases followed; a name that it does not have is NXDOMAIN."""

    def __init__(self, *zone: str) -> None:
        self.host, self.port = "", 0
        self.trouble: Trouble = ""
        """What it does instead. Only UDP answers are `truncated`."""
        self.asked: list[tuple[str, str, str]] = []
        """Each question so far: name, kind, protocol."""
        self._records: list[RR] = []
        self.set(*zone)

    def __repr__(self) -> str:
        return f"NameServer({self.address}, {self.trouble!r})"

    @property
    def address(self) -> str:
        """As a configuration names it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def set(self, *zone: str) -> None:
        """From now on it has these records: `g1.test 30 A 127.0.0.1`."""
        self._records = RR.fromZone("\n".join(zone))

    def resolve(self, request: Any, handler: Any) -> Any:
        """As dnslib asks it."""
        kind, reply = QTYPE[request.q.qtype], request.reply()
        self.asked.append((str(request.q.qname).rstrip("."), kind, handler.protocol))
        trouble = self.trouble
        if trouble == "silent":
            raise DNSError("silent")
        if trouble == "truncated":
            reply.header.tc = handler.protocol == "udp"
        elif trouble:
            reply.header.rcode = getattr(RCODE, trouble)
            return reply
        if not reply.header.tc:
            self._answer(reply, kind)
        if handler.protocol == "udp" and len(reply.pack()) > udp_bytes(request):
            reply.header.tc, reply.rr = 1, []
        return reply

    def _answer(self, reply: Any, kind: str) -> None:
        name, records = reply.q.qname, self._records
        for _ in records:  # aliases may go in a circle
            alias = [r for r in records if r.rname == name and QTYPE[r.rtype] == "CNAME"]
            reply.add_answer(*alias)
            name = alias[0].rdata.label if alias else name
        named = [record for record in records if record.rname == name]
        if not named:
            reply.header.rcode = RCODE.NXDOMAIN
        reply.add_answer(*(record for record in named if QTYPE[record.rtype] == kind))


def udp_bytes(request: Any) -> int:
    """How long an answer by UDP may be."""
    return max([OLD_UDP_BYTES, *(r.edns_len for r in request.ar if r.rtype == QTYPE.OPT)])


@contextmanager
def nameserver(*zone: str, host: str = "127.0.0.1") -> Iterator[NameServer]:
    """One that ends with the block, on a port that is free for both protocols."""
    found = NameServer(*zone)
    with ExitStack() as stack:
        for server in _servers(found, host):
            thread = Thread(target=server.server.serve_forever, args=(POLL_S,), name="nameserver")
            thread.start()
            stack.callback(server.server.server_close)
            stack.callback(thread.join)
            stack.callback(server.stop)
        yield found


def _servers(found: NameServer, host: str) -> list[DNSServer]:
    quiet = DNSLogger(logf=lambda line: None)
    for _ in range(TRIES):
        by_udp = DNSServer(found, address=host, port=0, logger=quiet)
        port = by_udp.server.server_address[1]
        try:
            by_tcp = DNSServer(found, address=host, port=port, tcp=True, logger=quiet)
        except OSError:
            by_udp.server.server_close()
            continue
        found.host, found.port = host, port
        return [by_udp, by_tcp]
    raise OSError("no port is free for both UDP and TCP")


def has_ipv6() -> bool:
    """Whether this machine has a loopback address of IPv6."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
