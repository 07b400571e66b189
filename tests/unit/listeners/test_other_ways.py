"""Lines from the standard input, by HTTP, and on sockets that the service manager has opened."""

from __future__ import annotations

import asyncio
import gzip
import os
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.unit.listeners.rig import KINDS, Rig, connect
from veneurpy import systemd
from veneurpy.console.mishaps import mishap_logger
from veneurpy.errors import ListenError
from veneurpy.listeners._cutting import READ_BYTES
from veneurpy.listeners.http import HttpListener
from veneurpy.listeners.stdin import StdinListener
from veneurpy.telemetry.metrics import STREAM_CLOSED


@contextmanager
def handed_over(*sockets: socket.socket, name: str = "given") -> Iterator[dict[str, str]]:
    """The environment of a process to which these sockets were passed, all of one name."""
    first = max(each.fileno() for each in sockets) + 100
    for index, each in enumerate(sockets):
        os.dup2(each.fileno(), first + index)
    before, systemd.FIRST_FD = systemd.FIRST_FD, first
    names = ":".join([name] * len(sockets))
    try:
        yield {
            "LISTEN_PID": str(os.getpid()),
            "LISTEN_FDS": str(len(sockets)),
            "LISTEN_FDNAMES": names,
        }
    finally:
        systemd.FIRST_FD = before


@pytest.mark.parametrize(
    ("family", "kind"),
    [(socket.AF_INET, "stream"), (socket.AF_INET, "dgram")]
    + [(socket.AF_UNIX, kind) for kind in KINDS],
    ids=lambda value: value.name if isinstance(value, socket.AddressFamily) else value,
)
async def test_systemd_sockets(transports: Rig, tmp_path: Path, family: int, kind: str) -> None:
    """Whatever kind of socket a unit opens: what waits in it is read."""
    with socket.socket(family, KINDS[kind]) as given, socket.socket(family, KINDS[kind]) as peer:
        given.bind(("127.0.0.1", 0) if family == socket.AF_INET else str(tmp_path / "dsd"))
        if kind != "dgram":
            given.listen()
        with handed_over(given) as environ:
            peer.connect(given.getsockname())
            peer.sendall(b"a:1|c\n")
            await transports.listen("systemd://given", environ=environ)
        await transports.until(lambda a: a.accepted == 1)


async def test_a_socket_that_was_not_passed(transports: Rig) -> None:
    """The error says what to write into the unit."""
    with pytest.raises(ListenError, match="FileDescriptorName=given"):
        await transports.listen("systemd://given")


async def test_a_listening_socket_is_kept_by_its_url(transports: Rig) -> None:
    """A TCP socket that the manager kept is taken by the listener of the same address."""
    with socket.create_server(("127.0.0.1", 0)) as given:
        url = f"tcp://127.0.0.1:{given.getsockname()[1]}"
        with socket.create_connection(given.getsockname()) as peer:
            peer.sendall(b"a:1|c\n")
            with handed_over(given) as environ:
                listener = await transports.listen(url, environ=environ)
            await transports.until(lambda a: a.accepted == 1)
        assert url == listener.name


@pytest.mark.parametrize("is_shared", [False, True])
async def test_more_readers_than_sockets_that_were_kept(transports: Rig, is_shared: bool) -> None:
    """With a larger `num_readers` than before, sockets are opened beside the one that was kept."""
    with socket.socket(type=socket.SOCK_DGRAM) as given:
        given.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, is_shared)
        given.bind(("127.0.0.1", 0))
        with handed_over(given) as environ:
            url = f"udp://127.0.0.1:{given.getsockname()[1]}"
            listener = await transports.listen(url, environ=environ, num_readers=3)
        assert "readers=3" in repr(listener)
        for _ in range(60):
            with socket.socket(type=socket.SOCK_DGRAM) as peer:
                peer.sendto(b"a:1|c", given.getsockname())
        await transports.until(lambda a: a.accepted == 60)


@pytest.mark.parametrize("is_there", [False, True])
async def test_a_unix_socket_whose_file_has_gone(
    transports: Rig, tmp_path: Path, is_there: bool
) -> None:
    """It is opened anew: nobody would find the one that was kept."""
    path = tmp_path / "dsd"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as given:
        given.bind(str(path))
        if not is_there:
            path.unlink()
        with handed_over(given, name=f"unixgram_//{path}") as environ:
            await transports.listen(f"unixgram://{path}", environ=environ)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
            peer.sendto(b"a:1|c", str(path))
        await transports.until(lambda a: a.accepted == 1)


async def test_standard_input(transports: Rig) -> None:
    """Lines until its end, which is told."""
    ours, theirs = os.pipe()
    listener = StdinListener(
        max_line_bytes=100, telemetry=transports.telemetry, on_end=transports._end, fd=ours
    )
    transports.listeners.append(listener)
    await listener.start(transports.engine)
    os.write(theirs, b"a:1|c\nb:2")
    await transports.until(lambda a: a.accepted == 1)
    os.write(theirs, b"|c")
    os.close(theirs)
    await transports.until(lambda a: a.accepted == 2)
    async with asyncio.timeout(10):
        while not transports.ended:  # noqa: ASYNC110 - the end is told by a call
            await asyncio.sleep(0.001)
    await listener.stop(1)
    os.close(ours)


async def test_standard_input_that_never_ends(transports: Rig) -> None:
    """The stop does not wait for it, and says what is left."""
    ours, theirs = os.pipe()
    listener = StdinListener(max_line_bytes=100, telemetry=transports.telemetry, fd=ours)
    await listener.start(transports.engine)
    assert 0 == await listener.stop(1)
    os.close(ours)
    os.close(theirs)


async def test_a_file_as_standard_input(transports: Rig, tmp_path: Path) -> None:
    """A file is read to its end."""
    (tmp_path / "lines").write_bytes(b"a:1|c\n" * 100_000)
    with (tmp_path / "lines").open("rb") as file:
        listener = StdinListener(
            max_line_bytes=100, telemetry=transports.telemetry, fd=file.fileno()
        )
        await listener.start(transports.engine)
        await transports.until(lambda a: a.accepted == 100_000)
        await listener.stop(1)


async def test_lines_by_http(transports: Rig) -> None:
    """The body is lines, compressed or not; bad ones are counted and do not matter to others."""
    listener = HttpListener(max_line_bytes=100, telemetry=transports.telemetry)
    app = web.Application()
    app.router.add_post("/", listener.handle)
    runner = web.AppRunner(app, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    async with aiohttp.ClientSession() as session:
        assert 503 == (await session.post(url, data=b"a:1|c")).status
        await listener.start(transports.engine)
        assert 202 == (await session.post(url, data=b"a:1|c\nbad\nb:2|c")).status
        body, encoding = gzip.compress(b"c:3|c\n" * 10), {"Content-Encoding": "gzip"}
        answer = await session.post(url, data=body, headers=encoding)
        assert {"bytes": 60} == await answer.json()
    await runner.cleanup()
    accounts = transports.close_interval()
    assert (12, 1) == (accounts.accepted, accounts.rejected["no_colon_or_pipe"])


@asynccontextmanager
async def posted(
    listener: HttpListener, header: bytes = b""
) -> AsyncIterator[Callable[[bytes], Awaitable[int]]]:
    """Sends a piece of a request's body; b"" ends it, and returns the status of the answer."""
    app = web.Application()
    app.router.add_post("/", listener.handle)
    # As the admin listener has it: a log of tracebacks would keep the engine.
    logger = mishap_logger(lambda event: None)
    runner = web.AppRunner(app, auto_decompress=False, logger=logger)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    reader, writer = await asyncio.open_connection(*runner.addresses[0])
    writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%s\r\n" % header)

    async def send(piece: bytes) -> int:
        writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        await writer.drain()
        return 0 if piece else int((await reader.readline()).split()[1])

    yield send
    writer.close()
    await runner.cleanup()


async def test_a_stop_waits_for_requests_under_way(transports: Rig) -> None:
    """What they still bring is taken before the last flush, and acknowledged."""
    listener = HttpListener(max_line_bytes=100, telemetry=transports.telemetry)
    await listener.start(transports.engine)
    async with posted(listener) as send:
        await send(b"a:1|c\n")
        await transports.until(lambda a: a.accepted == 1)
        stop = asyncio.create_task(listener.stop(10))
        await send(b"b:1|c\n")
        assert 202 == await send(b"")
        assert 0 == await stop
    assert 2 == transports.close_interval().accepted


async def test_what_comes_after_the_stop_is_refused(transports: Rig) -> None:
    """A request that outlasts it is told so: nobody would flush its lines."""
    listener = HttpListener(max_line_bytes=100, telemetry=transports.telemetry)
    await listener.start(transports.engine)
    async with posted(listener) as send:
        await send(b"a:1|c\n")
        await transports.until(lambda a: a.accepted == 1)
        assert 0 == await listener.stop(0)
        await send(b"b:1|c\n")
        assert 503 == await send(b"")
    assert 1 == transports.close_interval().accepted


async def test_a_body_that_cannot_be_read(transports: Rig) -> None:
    """The sender is told, and it is counted; what was read of it counts."""
    body = gzip.compress(b"a:1|c\n")[:12] + b"no gzip" * 9
    assert 400 == await answer_to(transports, "gzip", [body])
    assert 1 == bad_bodies(transports)


LINES = b"".join(b"a:%d|c\n" % i for i in range(1000))


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


COMPRESSED = [
    pytest.param("gzip", gzip.compress(LINES), id="gzip"),
    pytest.param("X-GZIP", gzip.compress(LINES[:3000]) + gzip.compress(LINES[3000:]), id="members"),
    pytest.param("deflate", zlib.compress(LINES), id="zlib"),
    pytest.param("deflate", raw_deflate(LINES), id="raw deflate"),
]


async def answer_to(transports: Rig, encoding: str, pieces: Iterable[bytes]) -> int:
    """What a body in an encoding is answered with that comes in such pieces."""
    listener = HttpListener(max_line_bytes=100, telemetry=transports.telemetry)
    await listener.start(transports.engine)
    async with posted(listener, b"Content-Encoding: %s\r\n" % encoding.encode()) as send:
        for piece in pieces:
            await send(piece)
        return await send(b"")


def bad_bodies(transports: Rig) -> float:
    return transports.telemetry.value(STREAM_CLOSED, listener=HttpListener.name, reason="bad_body")


@pytest.mark.parametrize("piece_bytes", [1 << 20, 100])
@pytest.mark.parametrize(("encoding", "body"), COMPRESSED)
async def test_a_compressed_body(
    transports: Rig, encoding: str, body: bytes, piece_bytes: int
) -> None:
    """All of it counts, however it is packed and in whatever pieces it comes."""
    pieces = [body[i : i + piece_bytes] for i in range(0, len(body), piece_bytes)]
    assert 202 == await answer_to(transports, encoding, pieces)
    assert 1000 == transports.close_interval().accepted


@pytest.mark.parametrize("more", [1, 20, 40])
async def test_what_a_decompressor_holds_back_is_asked_for(transports: Rig, more: int) -> None:
    """A body may end within what is more than one piece when it is decompressed."""
    lines = b"a:1|c\n" * (READ_BYTES // 6 + more)
    assert 202 == await answer_to(transports, "deflate", [raw_deflate(lines)])
    assert lines.count(b"\n") == transports.close_interval().accepted


@pytest.mark.parametrize("missing_bytes", [1, 8, 9, 500])
@pytest.mark.parametrize(("encoding", "body"), COMPRESSED)
async def test_a_compressed_body_that_was_cut_off(
    transports: Rig, encoding: str, body: bytes, missing_bytes: int
) -> None:
    """It is refused, and half a line at its end is none."""
    assert 400 == await answer_to(transports, encoding, [body[:-missing_bytes]])
    accounts = transports.close_interval()
    assert accounts.lines == accounts.accepted <= 1000
    assert 1 == bad_bodies(transports)


async def test_an_encoding_that_is_not_known(transports: Rig) -> None:
    """What is in it is not read as lines: the sender is told which are known."""
    assert 415 == await answer_to(transports, "zstd", [b"a:1|c\n"])
    assert 0 == transports.close_interval().lines
    assert 1 == bad_bodies(transports)


async def test_http_is_listened_to_once(transports: Rig) -> None:
    """However often the configuration asks for it; the URL says how lines are read."""
    await transports.listen("http:?dialect=statsd", http_statsd=True)
    assert ["http:/api/v1/statsd"] == [listener.name for listener in transports.listeners]


async def test_several_listeners_at_once(transports: Rig, tmp_path: Path) -> None:
    """Each has its own accounts."""
    urls = ["tcp://127.0.0.1:0", f"unix://{tmp_path}/a", f"unixgram://{tmp_path}/b"]
    listeners = [await transports.listen(url) for url in urls]
    for listener in listeners:
        with connect(listener) as peer:
            peer.sendall(b"a:1|c\n")
    await transports.until(lambda a: a.accepted == 3)
    accounts = dict(transports.engine.open_accounts())
    assert {listener.name: 1 for listener in listeners} == {
        name: each.accepted for name, each in accounts.items()
    }
