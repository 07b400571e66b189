"""`veneurpy status`: what it shows of a node, and its exit code."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseRequestHandler, ThreadingTCPServer
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from veneurpy.cli import main
from veneurpy.engine import Accounts, MetricType
from veneurpy.ledger import Book, ClosedInterval, Ledger, StoreAccounts

LISTENER = "udp://127.0.0.1:8125"
START_MS = 1_700_000_000_000


def ledger_after(accounts: Accounts) -> Ledger:
    """A ledger that has closed one interval, with one sink that confirmed what it was offered."""
    ledger = Ledger(sinks=["file"])
    book = Book(
        listeners={LISTENER: accounts},
        store=StoreAccounts(series=3, points=5, events=1),
    )
    sink = ledger.total.sinks["file"].points
    sink.offered, sink.confirmed, sink.pending = 5, 4, 1
    ledger.close(ClosedInterval(UUID(int=1), START_MS, START_MS + 10_000, book))
    return ledger


def accounts(**changes: Any) -> Accounts:
    """Accounts of 1,000 lines in 1,000 datagrams, twelve of them rejected."""
    made = Accounts(datagrams=1000, whole=1000, lines=1000, accepted=988, values=988)
    made.rejected["bad_value"] = 12
    made.aggregated[MetricType.COUNTER] = 988
    for name, value in changes.items():
        setattr(made, name, value)
    return made


STATUS: dict[str, Any] = {
    "version": "0.1.0",
    "state": "running",
    "healthy": True,
    "host": "web-1",
    "pid": 42,
    "engine": "native",
    "uptime_s": 3725.2,
    "interval_s": 10.0,
    "open_interval": {"listeners": {LISTENER: {"lines": 7}}},
    "last_flush": {
        "start_ms": START_MS,
        "end_ms": START_MS + 10_000,
        "series": 3,
        "points": 5,
        "events": 1,
        "checks": 0,
    },
    "sinks": [{"name": "file", "last_error": ""}],
}

SUMMARY = """\
veneurpy 0.1.0 on web-1: running for 1h2m5s (pid 42), engine native, interval 10s

listener              datagrams  lines  rejected  kernel drops  lines since the flush
udp://127.0.0.1:8125      1,000  1,000        12             3                      7

rejected lines at udp://127.0.0.1:8125: bad_value 12

last flush, of 10s from 2023-11-14 22:13:20 UTC: 3 series, 5 points, 1 event, 0 checks

sink  confirmed  rejected  given up  in doubt  pending
file          4         0         0         0        1

the ledger holds, over 1 interval
"""


class Node:
    """An HTTP server that answers as a node's admin listener does."""

    def __init__(self) -> None:
        self.pages: dict[str, Any] = {}
        node = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(node.pages.get(self.path)).encode()
                self.send_response(200 if self.path in node.pages else 404)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def serve(self, status: dict[str, Any], ledger: Ledger) -> None:
        self.pages = {"/api/v1/status": status, "/api/v1/ledger": ledger.as_dict()}

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def node() -> Iterator[Node]:
    opened = Node()
    yield opened
    opened.close()


def status(node: Node, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["status", "--address", node.address, *arguments])


def test_summary(node: Node) -> None:
    """One screen says how long it runs, what came in, what became of it, and that it adds up."""
    node.serve(STATUS, ledger_after(accounts(kernel_drops=3)))
    result = status(node)
    assert SUMMARY == result.output
    assert result.exit_code == 0


def test_summary_before_the_first_flush(node: Node) -> None:
    """A node that has just started shows its listeners and that nothing was flushed."""
    node.serve(STATUS | {"last_flush": None}, Ledger(sinks=["file"]))
    result = status(node)
    assert result.exit_code == 0
    assert "no flush so far" in result.output
    assert LISTENER in result.output


def test_summary_of_trouble(node: Node) -> None:
    """An unhealthy node and a failing sink say so."""
    sinks = [{"name": "file", "last_error": "disk full"}]
    node.serve(STATUS | {"healthy": False, "sinks": sinks}, ledger_after(accounts()))
    result = status(node)
    assert "running, NOT healthy for" in result.output
    assert "last error of file: disk full" in result.output
    sinks = [{"name": "file", "last_error": "disk full", "failing": False}]
    node.serve(STATUS | {"sinks": sinks}, ledger_after(accounts()))
    assert "last error of file, which is over: disk full" in status(node).output


def test_broken_ledger(node: Node) -> None:
    """A ledger that does not hold is written out, and the exit code says so."""
    node.serve(STATUS, ledger_after(accounts(whole=999)))
    result = status(node)
    assert result.exit_code == 1
    assert "THE LEDGER DOES NOT HOLD (2 violations)" in result.output
    expected = (
        f"{LISTENER}: datagrams (since the start): datagrams 1,000 is not "
        "whole 999 + truncated 0 = 999\n"
    )
    assert expected in result.output


def test_json(node: Node) -> None:
    """--json hands both pages on as they are."""
    ledger = ledger_after(accounts())
    node.serve(STATUS, ledger)
    result = status(node, "--json")
    assert {"status": STATUS, "ledger": ledger.as_dict()} == json.loads(result.output)
    assert result.exit_code == 0


def test_json_of_a_broken_ledger(node: Node) -> None:
    """With --json the exit code is the same."""
    node.serve(STATUS, ledger_after(accounts(whole=999)))
    assert status(node, "--json").exit_code == 1


def test_nobody_answers(node: Node) -> None:
    """A node that cannot be reached is exit code 1 and one line."""
    node.close()
    result = status(node)
    assert result.exit_code == 1
    assert f"no node answers at http://{node.address}: Connection refused: " in result.output
    assert "`veneurpy run`" in result.output


@pytest.mark.parametrize(
    "pages",
    [
        pytest.param({}, id="not found"),
        pytest.param({"/api/v1/status": {"a": 1}, "/api/v1/ledger": {}}, id="other pages"),
    ],
)
def test_somebody_else_answers(node: Node, pages: dict[str, Any]) -> None:
    """What is no veneurpy is called so."""
    node.pages = pages
    result = status(node)
    assert result.exit_code == 1
    assert "is no veneurpy" in result.output


@pytest.fixture
def shouter() -> Iterator[str]:
    """The address of one who answers each connection with a line that is not HTTP."""

    class Handler(BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(1000)
            self.request.sendall(b"220 mail.example ready\r\n")

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


ASKING = [["status"], ["top"], ["ring", "show"]]


@pytest.mark.parametrize("command", ASKING)
def test_who_answers_speaks_no_http(shouter: str, command: list[str]) -> None:
    """An answer that is not HTTP is one line that names the address, whichever command asks."""
    result = CliRunner().invoke(main, [*command, "--address", shouter])

    assert result.exit_code == 1
    assert 1 == len(result.output.strip().splitlines())
    assert result.output.startswith("Error: ")
    assert f"http://{shouter}" in result.output


@pytest.mark.parametrize("address", ["127.0.0.1:http", "[::1", "web 1:8127"])
@pytest.mark.parametrize("command", ASKING)
def test_an_address_that_is_none(command: list[str], address: str) -> None:
    """What cannot be an address is not looked for, and the message says which one it is."""
    result = CliRunner().invoke(main, [*command, "--address", address])

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert f"http://{address}" in result.output
