"""The pages of the admin listener."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import aiohttp
import pytest
import yaml
from aiohttp import web

import veneurpy
from tests.descriptors import limited
from veneurpy.console.address import split_address
from veneurpy.console.http import AdminServer
from veneurpy.errors import ConfigError, ListenError
from veneurpy.telemetry.events import Event, HttpMalformed, PageCrashed


class View:
    """A node that says what it is told."""

    is_healthy = True
    reasons: tuple[str, ...] = ()

    def healthy(self) -> bool:
        return self.is_healthy

    def ready(self) -> tuple[bool, list[str]]:
        return not self.reasons, list(self.reasons)

    def status(self) -> dict[str, Any]:
        return {"uptime_s": 1.5, "sinks": ["console"]}

    def ledger(self) -> dict[str, Any]:
        return {"lines": 3, "rejected": {"bad_value": 1}}

    def top(self, of: str, by: str, count: int) -> dict[str, Any] | None:
        return {"by": by, "names": []} if by == "samples" else None

    def config(self) -> dict[str, Any]:
        return {"interval": "10s", "hostname": "grün", "api_key": "***"}

    def exposition(self) -> bytes:
        return b"veneurpy_lines_total 3\n"


def ignored(event: Event) -> None:
    """Nothing goes wrong."""


@pytest.fixture
def view() -> View:
    return View()


@pytest.fixture
async def get(view: View):
    """Asks a server that listens on a free port; gives (status, content type, text)."""

    async def points(request: web.Request) -> web.Response:
        return web.Response(text="points\n")

    server = AdminServer(
        view,
        "127.0.0.1:0",
        emit=ignored,
        extra_routes={"/metrics/points": points},
        ingest={"/lines": points},
    )
    await server.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:

        async def asked(path: str, method: str = "GET", **headers: str) -> tuple[int, str, str]:
            async with session.request(method, path, headers=headers) as answer:
                return answer.status, answer.headers["Content-Type"], await answer.text()

        yield asked
    await server.stop()


@pytest.mark.parametrize("path", ["/healthz", "/healthcheck"])
async def test_health_follows_the_node(get, view: View, path: str):
    """A healthy node answers 200 "ok", another one 503."""
    status, _, text = await get(path)
    assert (200, "ok\n") == (status, text)
    view.is_healthy = False
    assert 503 == (await get(path))[0]


async def test_readiness_says_why_not(get, view: View):
    """A node that is not ready answers 503 and one reason a line."""
    status, _, text = await get("/readyz")
    assert (200, "ok\n") == (status, text)
    view.reasons = ("udp is not open", "sink x has not started")
    status, _, text = await get("/readyz")
    assert (503, "udp is not open\nsink x has not started\n") == (status, text)


async def test_version_is_plain_text(get):
    """The version is the package's, alone on a line."""
    assert (200, "text/plain; charset=utf-8", f"{veneurpy.__version__}\n") == await get("/version")


async def test_metrics_is_the_nodes_own_telemetry(get):
    """/metrics passes the node's exposition on, with Prometheus' content type."""
    expected = (200, "text/plain; version=0.0.4; charset=utf-8", "veneurpy_lines_total 3\n")
    assert expected == await get("/metrics")


async def test_config_is_yaml(get, view: View):
    """The configuration is YAML a person can read, in the node's order."""
    status, content_type, text = await get("/config")
    assert (200, "application/yaml; charset=utf-8") == (status, content_type)
    assert view.config() == yaml.safe_load(text)
    assert text.startswith("interval: 10s\nhostname: grün\n")


async def test_config_is_json_when_asked_for(get, view: View):
    """Accept: application/json gives JSON."""
    status, content_type, text = await get("/config", Accept="application/json")
    assert (200, "application/json; charset=utf-8") == (status, content_type)
    assert view.config() == json.loads(text)


@pytest.mark.parametrize("page", ["status", "ledger"])
async def test_the_api_is_json(get, view: View, page: str):
    """The API gives the node's mappings as JSON, on one line."""
    status, content_type, text = await get(f"/api/v1/{page}")
    assert (200, "application/json; charset=utf-8") == (status, content_type)
    assert getattr(view, page)() == json.loads(text)
    assert 1 == text.count("\n")


async def test_the_api_is_pretty_on_demand(get):
    """?pretty indents."""
    assert '{\n  "lines": 3,' in (await get("/api/v1/ledger?pretty"))[2]


async def test_sinks_serve_their_own_paths(get):
    """What a sink exposed is served."""
    assert (200, "points\n") == (await get("/metrics/points"))[::2]


async def test_the_root_lists_every_path(get):
    """/ lists what there is, so nobody has to look it up."""
    text = (await get("/"))[2]
    for path in ("/healthz", "/api/v1/ledger", "/metrics/points", "/lines"):
        assert f"\n{path}\n" in text


async def test_an_unknown_path_is_text(get):
    """404 is a sentence, not a page."""
    status, content_type, text = await get("/nope")
    assert (404, "text/plain; charset=utf-8") == (status, content_type)
    assert "there is nothing at /nope" in text


async def test_nothing_can_be_changed(get):
    """Other methods than GET are refused."""
    assert 405 == (await get("/healthz", "POST"))[0]


async def test_a_taken_port_is_a_clear_error():
    """A port in use is a ListenError that names the address."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        server = AdminServer(View(), address, emit=ignored)
        with pytest.raises(ListenError, match=f"'{address}': Address already in use"):
            await server.start()
        await server.stop()


async def test_a_server_without_host_listens_everywhere():
    """`:0` is reached over IPv4 on the one port that it names."""
    server = AdminServer(View(), ":0", emit=ignored)
    await server.start()
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{server.port}/healthz") as answer,
    ):
        assert 200 == answer.status
    await server.stop()


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/v1/status"])
async def test_pages_are_there_without_descriptors(path: str):
    """A process that may open no file answers on its admin port."""
    server = AdminServer(View(), "127.0.0.1:0", emit=ignored)
    await server.start()
    loop = asyncio.get_running_loop()
    with socket.socket() as client, limited(share_taken=1):
        client.setblocking(False)
        async with asyncio.timeout(30):
            await loop.sock_connect(client, ("127.0.0.1", server.port))
            await loop.sock_sendall(client, f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
            assert b"HTTP/1.1 200 OK" == (await loop.sock_recv(client, 1000))[:15]
    await server.stop()


HTTP_2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(18)


@pytest.mark.parametrize("sent", [HTTP_2, b"GET / HTTP/9\r\n" * 3 + b"\r\n"])
async def test_what_is_no_http_is_an_event_of_few_words(
    sent: bytes, capfd: pytest.CaptureFixture[str]
):
    """A client at the wrong port is named and gets a 400; nothing else is written anywhere."""
    events: list[Event] = []
    server = AdminServer(View(), "127.0.0.1:0", emit=events.append)
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(sent)
    assert b"400" in await reader.readline()
    writer.close()
    await server.stop()
    [event] = events
    assert isinstance(event, HttpMalformed)
    assert ("127.0.0.1", True) == (event.client, len(event.error) <= 200)
    assert ("", "") == capfd.readouterr()


async def test_a_page_that_raises_is_an_event(capfd: pytest.CaptureFixture[str]):
    """With its traceback; the client gets a 500."""

    async def broken(request: web.Request) -> web.Response:
        raise ZeroDivisionError("of ours")

    events: list[Event] = []
    server = AdminServer(
        View(), "127.0.0.1:0", emit=events.append, extra_routes={"/broken": broken}
    )
    await server.start()
    url = f"http://127.0.0.1:{server.port}/broken"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert 500 == answer.status
    await server.stop()
    [event] = events
    assert isinstance(event, PageCrashed)
    assert "ZeroDivisionError: of ours" == event.error
    assert "in broken" in event.traceback
    assert ("", "") == capfd.readouterr()


async def test_a_stopped_server_has_no_port():
    """stop closes the socket, twice as well as once."""
    server = AdminServer(View(), "127.0.0.1:0", emit=ignored)
    await server.start()
    port = server.port
    await server.stop()
    await server.stop()
    assert 0 == server.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@pytest.mark.parametrize("path", ["/", "/metrics", "/api/v1/ledger"])
def test_a_sink_cannot_take_our_paths(path: str):
    """A sink that exposes one of our own paths is a configuration error."""
    with pytest.raises(ConfigError, match="itself serves"):
        AdminServer(View(), "127.0.0.1:0", emit=ignored, extra_routes={path: View().status})


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:8127", ("127.0.0.1", 8127)),
        (":8127", ("", 8127)),
        ("[::1]:8127", ("::1", 8127)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_addresses_are_host_and_port(address: str, expected: tuple[str, int]):
    """An address is a host, or none, and a port."""
    assert expected == split_address(address)


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("8127", "expected host:port"),
        ("localhost:", "expected host:port"),
        ("localhost:http", "expected host:port"),
        ("localhost:70000", "expected host:port"),
        ("::1:8127", r"\[::1\]:8127"),
    ],
)
def test_wrong_addresses_say_what_is_right(address: str, hint: str):
    """A wrong address is refused with the form that is expected."""
    with pytest.raises(ListenError, match=hint):
        split_address(address)


async def test_a_request_that_breaks_off_fills_no_log(
    view: View, capfd: pytest.CaptureFixture[str]
) -> None:
    """It may be counted; it is no bug of ours, and nothing is written past the log."""

    async def page(request: web.Request) -> web.Response:
        await request.read()
        return web.Response()

    events: list[Event] = []
    server = AdminServer(view, "127.0.0.1:0", emit=events.append, ingest={"/lines": page})
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"POST /lines HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
    writer.write_eof()
    await reader.read()
    writer.close()
    await server.stop()
    assert [] == [event for event in events if not isinstance(event, HttpMalformed)]
    assert ("", "") == capfd.readouterr()
