"""Several daemons of the global tier on one machine, each in a folder of its own."""

from __future__ import annotations

import json
import signal
import socket
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.daemon import Daemon, send_lines

INTERVAL = "500ms"


class Series(NamedTuple):
    """What a point is of."""

    name: str
    tags: tuple[str, ...]
    timestamp: float


class Node:
    """One daemon that can be killed and started again with what it left."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        folder.mkdir(exist_ok=True)
        for part in ("state", "arenas"):
            (folder / part).mkdir(exist_ok=True)
        self.folder = folder
        self._settings: dict[str, Any] = {
            "interval": INTERVAL,
            "global_hold": INTERVAL,
            "percentiles": [0.5],
            "store_max_bytes": "64MiB",
            "node_name": folder.name,
            "state_dir": str(folder / "state"),
            "arena_dir": str(folder / "arenas"),
            **settings,
        }
        self.daemon = self.start()

    def start(self, **changed: Any) -> Daemon:
        """Starts it, again if it has ended; with other settings if there are any."""
        self._settings |= changed
        self.daemon = Daemon(self.folder, self._settings)
        try:
            self.daemon.wait_until_started()
        except BaseException:
            self.kill()
            raise
        return self.daemon

    def kill(self) -> None:
        """It dies in the middle of whatever it does."""
        self.daemon.stop(signal.SIGKILL)

    def send(self, *lines: str) -> None:
        """Sends it lines of DogStatsD, each in a datagram of its own."""
        send_lines(self.daemon.port, *lines)

    def status(self) -> dict[str, Any]:
        """Its status page."""
        page: dict[str, Any] = self.daemon.get("/api/v1/status")
        return page

    def ledger(self) -> dict[str, Any]:
        """Its ledger page."""
        page: dict[str, Any] = self.daemon.get("/api/v1/ledger")
        return page

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What it answers to JSON."""
        request = urllib.request.Request(
            f"{self.daemon.http}{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            page: dict[str, Any] = json.load(answer)
            return page

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits in it: no batch, no open interval, no row."""
        page = self.status()
        ways = [page[way] for way in ("forward", "chain") if page[way]]
        batches = sum(way["accounts"]["pending"]["batches"] for way in ways)
        owner = page["owner"] or {"open": [], "late": []}
        pending = sum(sink["pending_points"] for sink in page["sinks"])
        lines = sum(each["lines"] for each in page["open_interval"]["listeners"].values())
        return not (batches or owner["open"] or owner["late"] or pending or lines)

    def latest(self) -> dict[Series, float]:
        """The value of the highest revision of each point."""
        revisions: dict[Series, int] = defaultdict(lambda: -1)
        values: dict[Series, float] = {}
        for row in self.daemon.rows():
            series = Series(row["name"], tuple(row["tags"]), row["timestamp"])
            assert row["revision"] != revisions[series], f"twice: {row}"
            if row["revision"] > revisions[series]:
                revisions[series], values[series] = row["revision"], row["value"]
        return values

    def sum(self, name: str) -> float:
        """Of all that was published of a counter."""
        return sum(value for series, value in self.latest().items() if series.name == name)


@contextmanager
def nodes() -> Iterator[Callable[..., Node]]:
    """Makes nodes that end with the block."""
    with ExitStack() as stack:

        def new(folder: Path, **settings: Any) -> Node:
            node = Node(folder, **settings)
            stack.callback(lambda: node.daemon.stop(signal.SIGKILL))
            return node

        yield new


def free_address() -> str:
    """An address of the loopback interface at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return f"127.0.0.1:{found.getsockname()[1]}"
