"""Listeners of connections: what is sent arrives, whatever one peer does to others."""

from __future__ import annotations

import asyncio
import socket
import struct
from pathlib import Path

import pytest

from tests.descriptors import limited
from tests.unit.listeners.rig import Rig, connect
from veneurpy.telemetry.metrics import (
    STREAM_CLOSED,
    STREAM_CONNECTIONS,
    STREAM_HELD,
    STREAM_UNFINISHED,
)


@pytest.fixture(params=["tcp", "unix", "abstract"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each kind of stream without TLS."""
    return {
        "tcp": "tcp://127.0.0.1:0",
        "unix": f"unix://{tmp_path}/dsd",
        "abstract": f"unix:@{tmp_path}/dsd",
    }[request.param]


async def test_lines_reach_the_engine(transports: Rig, url: str) -> None:
    """Each line counts under the listener's name; a bad one closes nothing."""
    listener = await transports.listen(url)
    with connect(listener) as peer:
        peer.sendall(b"a:1|c\nbad\n\r\nb:2|c\r\n")
        await transports.until(lambda a: a.lines == 3)
        peer.sendall(b"c:3|c\n")
        await transports.until(lambda a: a.lines == 4)
    accounts = transports.close_interval()
    assert (3, 1) == (accounts.accepted, accounts.rejected["no_colon_or_pipe"])
    assert [listener.name] == [name for name, _ in transports.engine.open_accounts()]


async def test_a_last_line_needs_no_line_end(transports: Rig, url: str) -> None:
    """When the peer has said all, what is left is a line."""
    listener = await transports.listen(url)
    with connect(listener) as peer:
        peer.sendall(b"a:1|c\nb:2|c")
    await transports.until_closed(listener, "eof")
    assert 2 == transports.close_interval().accepted


async def test_half_a_line_of_a_broken_connection_is_not_taken(transports: Rig) -> None:
    """It could say something else than its whole; that there was one is counted."""
    listener = await transports.listen("tcp://127.0.0.1:0")
    with connect(listener) as peer:
        peer.sendall(b"a:1|c\nb:1|c|#x:1")
        await transports.until(lambda a: a.lines == 1)
        await transports.until_value(STREAM_HELD, 0, listener=listener.name)
        # A reset instead of an orderly end.
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await transports.until_closed(listener, "reset")
    assert 1 == transports.close_interval().accepted
    assert 1 == transports.telemetry.value(STREAM_UNFINISHED, listener=listener.name)


async def test_long_lines_are_counted_and_skipped(transports: Rig, url: str) -> None:
    """An endless line costs no memory, and the lines after it count."""
    listener = await transports.listen(url, stream_max_line_bytes=100)
    with connect(listener) as peer:
        for _ in range(20):
            await asyncio.to_thread(peer.sendall, b"x" * 10_000)
        peer.sendall(b"\na:1|c\n")
        await transports.until(lambda a: a.lines == 2)
    accounts = transports.close_interval()
    assert (1, 1) == (accounts.accepted, accounts.rejected["too_long"])


async def test_frames_on_unix_streams(transports: Rig, tmp_path: Path) -> None:
    """A length of 4 bytes and a datagram, as official clients write them."""
    listener = await transports.listen(f"unix://{tmp_path}/dsd")
    with connect(listener) as peer:
        for payload in (b"a:1|c\nb:2|c", b"c:3|c"):
            peer.sendall(struct.pack("<I", len(payload)) + payload)
        await transports.until(lambda a: a.lines == 3)
        peer.sendall(struct.pack("<I", 0))
        await transports.until_closed(listener, "bad_frame")


async def test_messages_of_unixpacket(transports: Rig, tmp_path: Path) -> None:
    """Each is a datagram; one that is too long loses its last line."""
    listener = await transports.listen(f"unixpacket://{tmp_path}/dsd")
    with connect(listener) as peer:
        peer.sendall(b"a:1|c\nb:2|c")
        peer.sendall(b"long:1|c\n" * 10_000)
        await transports.until(lambda a: a.datagrams == 2)
    await transports.until_closed(listener, "eof")
    accounts = transports.close_interval()
    assert (1, 1, 2 + 65_536 // 9) == (accounts.whole, accounts.truncated, accounts.accepted)


async def test_connections_are_bounded(transports: Rig, url: str) -> None:
    """One too many is closed at once and counted; those that are there go on."""
    listener = await transports.listen(url, stream_max_connections=2)
    peers = [connect(listener) for _ in range(2)]
    await transports.until_value(STREAM_CONNECTIONS, 2, listener=listener.name)
    with connect(listener) as third:
        await transports.until_closed(listener, "too_many_connections")
        third.settimeout(10)
        assert b"" == await asyncio.to_thread(third.recv, 1)
    for peer in peers:
        peer.sendall(b"a:1|c\n")
    await transports.until(lambda a: a.accepted == 2)
    peers.pop().close()
    await transports.until_closed(listener, "eof")
    with connect(listener) as another:
        another.sendall(b"a:1|c\n")
        await transports.until(lambda a: a.accepted == 3)
    peers.pop().close()


async def test_the_last_descriptors_are_kept(transports: Rig, url: str) -> None:
    """Connections do not take what the node opens files with; there is room again when some end."""
    listener = await transports.listen(url)
    with limited(share_taken=0.75), connect(listener) as refused:
        await transports.until_closed(listener, "no_descriptors")
        refused.settimeout(10)
        assert b"" == await asyncio.to_thread(refused.recv, 1)
    transports.clock.advance(1)
    with connect(listener) as another:
        another.sendall(b"a:1|c\n")
        await transports.until(lambda a: a.accepted == 1)


async def test_held_bytes_are_bounded(transports: Rig) -> None:
    """Peers that begin lines and never end them are closed once all hold too much."""
    listener = await transports.listen("tcp://127.0.0.1:0", stream_max_held_bytes=65_536)
    peers = [connect(listener) for _ in range(3)]
    for peer in peers:
        peer.sendall(b"x" * 30_000)
    await transports.until_closed(listener, "too_many_bytes")
    await transports.until_value(STREAM_HELD, 0, listener=listener.name)
    with connect(listener) as good:
        good.sendall(b"a:1|c\n")
        await transports.until(lambda a: a.accepted == 1)
    for peer in peers:
        peer.close()


async def test_idle_connections_are_closed(transports: Rig, url: str) -> None:
    """One that has said nothing for `stream_idle_timeout` goes, others stay."""
    listener = await transports.listen(url, stream_idle_timeout="60s")
    with connect(listener) as idle, connect(listener) as busy:
        await transports.until_value(STREAM_CONNECTIONS, 2, listener=listener.name)
        for _ in range(4):
            before = transports.open_accounts().lines
            busy.sendall(b"a:1|c\n")
            await transports.until(lambda a, before=before: a.lines > before)  # type: ignore[misc]
            await transports.clock.run(20)
        await transports.until_closed(listener, "idle")
        assert 1 == transports.telemetry.value(STREAM_CLOSED, listener=listener.name, reason="idle")
        assert b"" == await asyncio.to_thread(idle.recv, 1)


async def test_what_was_sent_before_the_stop_counts(transports: Rig, url: str) -> None:
    """Also of connections that nobody has taken yet."""
    listener = await transports.listen(url)
    peers = [connect(listener) for _ in range(5)]
    for peer in peers:
        peer.sendall(b"a:1|c\n" * 100)
    assert 0 == await listener.stop(5)
    assert 500 == transports.close_interval().accepted
    for peer in peers:
        peer.close()


async def test_garbage_harms_nobody(transports: Rig, url: str) -> None:
    """Whatever a peer sends, others are served."""
    listener = await transports.listen(url)
    with connect(listener) as hostile, connect(listener) as good:
        hostile.sendall(bytes(range(256)) * 50 + b"\n")
        good.sendall(b"a:1|c\n")
        await transports.until(lambda a: a.accepted == 1)
    assert [] == transports.log.of("internal_error")


async def test_a_taken_port_is_refused(transports: Rig) -> None:
    """The error names the tool that shows by whom."""
    listener = await transports.listen("tcp://127.0.0.1:0")
    with pytest.raises(Exception, match=r"in use, .*ss -tlpn"):
        await transports.listen(listener.name)
