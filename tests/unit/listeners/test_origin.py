"""Who has sent something, as the accounts of clients call it."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines import needs_native
from tests.unit.listeners.rig import Rig, connect
from veneurpy.engine import EngineOptions, OriginTag
from veneurpy.listeners._origin import host_of

OWN_PROCESS = f"uid:{os.getuid()} pid:{os.getpid()}"
LINES = b"a:1|c\n" * 20_000
FRAME = b"\x05\0\0\0a:1|c"


@pytest.mark.parametrize(
    ("scheme", "text"),
    [
        pytest.param("tcp", LINES, id="tcp"),
        pytest.param("unix", LINES, id="unix, lines"),
        pytest.param("unix", FRAME, id="unix, a frame"),
        pytest.param("unixpacket", b"a:1|c", id="unixpacket"),
    ],
)
async def test_connections(transports: Rig, tmp_path: Path, scheme: str, text: bytes) -> None:
    """A peer is its address, or its user and process on a Unix socket; all that it sent is its."""
    place = "127.0.0.1:0" if scheme == "tcp" else f"{tmp_path}/dsd"
    listener = await transports.listen(f"{scheme}://{place}")
    with connect(listener) as peer:
        peer.setblocking(False)
        sent = 0
        while sent < len(text):
            try:
                sent += peer.send(text[sent:])
            except BlockingIOError:
                await transports.turn()
    await transports.until_closed(listener, "eof")
    expected = "127.0.0.1" if scheme == "tcp" else OWN_PROCESS
    (client,) = transports.clients()
    assert (expected, text.count(b"a:1|c")) == (client.client, client.samples)


@pytest.fixture(params=["python", pytest.param("native", marks=needs_native)])
async def tagging(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """An engine that looks at every sender, and tags what it sends."""
    tags = (OriginTag.UID, OriginTag.PID)
    made = Rig(request.param, EngineOptions(origin_tags=tags, max_series_per_client=10))
    yield made
    await made.close()


@pytest.mark.parametrize("scheme", ["unix", "unixgram", "unixpacket"])
async def test_tags_of_a_local_process(tagging: Rig, tmp_path: Path, scheme: str) -> None:
    """The kernel knows who sends to a Unix socket: a client, and tags if they are wanted."""
    listener = await tagging.listen(f"{scheme}://{tmp_path}/dsd")
    with connect(listener) as peer:
        peer.send(b"a:1|c\n")
        await tagging.until(lambda a: a.accepted == 1)
    assert [OWN_PROCESS] == [client.client for client in tagging.clients()]
    assert {(f"pid:{os.getpid()}", f"uid:{os.getuid()}")} == tagging.tags


async def test_descriptors_are_not_taken(tagging: Rig, tmp_path: Path) -> None:
    """Descriptors that a stranger passes along with a datagram are not opened here."""
    listener = await tagging.listen(f"unixgram://{tmp_path}/dsd")
    before = len(os.listdir("/proc/self/fd"))
    with connect(listener) as peer:
        for sent in range(1, 21):
            socket.send_fds(peer, [b"a:1|c"], [0, 1])
            await tagging.until(lambda a, sent=sent: a.accepted == sent)
        assert before + 1 == len(os.listdir("/proc/self/fd"))
    assert [OWN_PROCESS] == [client.client for client in tagging.clients()]


@pytest.mark.parametrize(
    ("address", "host"),
    [
        (("127.0.0.1", 8125), "127.0.0.1"),
        (("::ffff:10.0.0.1", 8125, 0, 0), "10.0.0.1"),
        (("fe80::1", 1, 0, 0), "fe80::1"),
        ("10.0.0.1", "10.0.0.1"),
        ("unix", None),
        ("", None),
        (None, None),
    ],
)
def test_hosts(address: object, host: str | None) -> None:
    """The port names nobody; an IPv4 address is one, whichever socket it came to."""
    assert host == host_of(address)
