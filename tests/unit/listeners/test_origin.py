"""Who has sent something, as the accounts of clients call it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.unit.listeners.rig import Rig, connect
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
