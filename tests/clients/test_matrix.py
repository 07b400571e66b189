"""Every client over every transport that it speaks: what it sent is what is published."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.matrix import CLIENTS, Client
from tests.daemon import Daemon, running_daemon
from tests.engines import needs_native

CASES = [
    pytest.param(client, transport, id=f"{client.name} over {transport}")
    for client in CLIENTS
    for transport in client.transports
]


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """Listens on everything."""
    urls = ["udp://127.0.0.1:0", "tcp://127.0.0.1:0"]
    urls += [f"{scheme}://{tmp_path}/{scheme}" for scheme in ("unix", "unixgram", "unixpacket")]
    with running_daemon(tmp_path, statsd_listen_addresses=urls, http_statsd=True) as made:
        yield made


def url_of(daemon: Daemon, transport: str) -> str:
    if transport == "http":
        return f"{daemon.http}/api/v1/statsd"
    names: list[str] = daemon.logged("started")[0]["listeners"].split()
    return next(name for name in names if name.partition(":")[0] == transport)


@needs_native
@pytest.mark.parametrize(("client", "transport"), CASES)
def test_what_is_sent_is_published(client: Client, transport: str, daemon: Daemon) -> None:
    """Nothing is rejected, and every value is right."""
    if why := client.missing():
        pytest.skip(why)
    client.send(url_of(daemon, transport))
    daemon.stop()
    values = {row["name"]: row["value"] for row in daemon.rows()}
    expected = {"matrix.count": 30, "matrix.gauge": 42.5, "matrix.time.count": 5}
    expected |= {"matrix.time.min": 12, "matrix.time.max": 12}
    if client.knows_sets:
        expected["matrix.set"] = 2
    assert expected == {name: values.get(name) for name in expected}
    stopped = daemon.logged("stopped")[0]
    assert 19 - 3 * (not client.knows_sets) == stopped["lines"]
