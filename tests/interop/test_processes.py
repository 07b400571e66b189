"""Whole nodes of both kinds in one fleet: every way that samples can take between them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.chaos.fleet import SHM
from tests.chaos.process import Node
from tests.engines import needs_native
from tests.interop.veneurs import (
    Repeated,
    needs_veneur,
    veneur_global,
    veneur_host,
    veneur_proxy,
)
from tests.waiting import wait_until

pytestmark = [needs_veneur, needs_native, pytest.mark.timeout(120)]

INTERVAL = "500ms"
COME_S = 30.0
SERIES = 8
SENT = [
    *(f"hits:3|c|#i:{i},veneurglobalonly" for i in range(SERIES)),
    *(f"level:{i}.5|g|#i:{i},veneurglobalonly" for i in range(SERIES)),
    *(f"time:{v}|ms|#i:{i}" for i in range(SERIES) for v in (1, 2, 7, 8, 100)),
    *(f"users:{member}|s|#i:{i}" for i in range(SERIES) for member in range(i + 1)),
]
WANTED: dict[tuple[str, str], float] = {
    key: value
    for i in range(SERIES)
    for key, value in {
        ("hits", f"i:{i}"): 3.0,
        ("level", f"i:{i}"): i + 0.5,
        ("time.50percentile", f"i:{i}"): 6.0,
        ("users", f"i:{i}"): i + 1.0,
    }.items()
}

Found = Mapping[tuple[str, str], float]


@contextmanager
def node(folder: Path, name: str, settings: Mapping[str, Any]) -> Iterator[Node]:
    """A veneurpy that takes traffic."""
    place = folder / name
    place.mkdir()
    sink = {"kind": "localfile", "config": {"flush_file": str(place / "points.jsonl")}}
    common = {"interval": INTERVAL, "percentiles": [0.5, 0.99], "metric_sinks": [sink]}
    with TemporaryDirectory(dir=SHM if SHM.is_dir() else None) as arenas:
        made = Node(name, place, Path(arenas), {**common, **settings})
        try:
            made.begin()
            made.wait_until_started()
            yield made
        finally:
            made.close()


def owner(folder: Path, name: str = "ours") -> Any:
    """A veneurpy that owns."""
    return node(folder, name, {"grpc_address": "127.0.0.1:0", "global_hold": "1s"})


def address(there: Node) -> str:
    """Where a veneurpy receives what others forward."""
    wait_until(lambda: there.grpc_port > 0, "it listens", COME_S)
    return f"127.0.0.1:{there.grpc_port}"


def published(there: Node) -> Found:
    """What a veneurpy has published: counters added up, of all else the last."""
    found: dict[tuple[str, str], float] = {}
    for row in there.rows():
        key = row["name"], ",".join(row["tags"])
        found[key] = row["value"] + (found.get(key, 0.0) if row["type"] == "counter" else 0.0)
    return found


def repeated(sink: Repeated) -> Found:
    """What a Veneur has published, likewise."""
    sink.read()
    found: dict[tuple[str, str], float] = {}
    for line in sink.lines:
        body, kind, tags = (*line.split("|"), "")[:3]
        name, _, value = body.rpartition(":")
        key = name, tags.removeprefix("#")
        found[key] = float(value) + (found.get(key, 0.0) if kind == "c" else 0.0)
    return found


def await_all(*sources: Callable[[], Found]) -> list[Found]:
    """What each source has, once each series that is wanted has come from one of them."""

    def missing() -> set[tuple[str, str]]:
        return set(WANTED).difference(*(source() for source in sources))

    wait_until(lambda: not missing(), "everything comes", COME_S)
    return [source() for source in sources]


def require_values(*found: Found) -> None:
    """Each series has its value, in one place."""
    for key, value in WANTED.items():
        said = [each[key] for each in found if key in each]
        assert [pytest.approx(value, rel=1e-6)] == said, key
    assert not any(math.isnan(value) for each in found for value in each.values())


@pytest.fixture
def sink() -> Iterator[Repeated]:
    made = Repeated()
    yield made
    made.close()


@pytest.mark.parametrize("streams", [True, False], ids=["SendMetricsV2", "SendMetrics"])
def test_a_veneur_forwards_to_an_owner_of_ours(tmp_path: Path, streams: bool) -> None:
    """A fleet may begin with its global tier."""
    with owner(tmp_path) as ours, veneur_host(tmp_path, address(ours), streams=streams) as host:
        host.send(*SENT)
        require_values(*await_all(lambda: published(ours)))


def test_a_host_of_ours_forwards_to_a_veneur(tmp_path: Path, sink: Repeated) -> None:
    """A fleet may begin with its hosts."""
    with veneur_global(tmp_path, sink) as theirs:
        settings = {"forward_address": theirs.grpc_address}
        with node(tmp_path, "host", settings) as host:
            host.send(*SENT)
            require_values(*await_all(lambda: repeated(sink)))


@pytest.mark.parametrize("to", ["veneur", "veneurpy"])
def test_a_host_of_ours_forwards_through_a_proxy_of_veneurs(
    tmp_path: Path, sink: Repeated, to: str
) -> None:
    """Between our hosts and either kind of owner there may be a veneur-proxy."""
    with ExitStack() as stack:
        if to == "veneur":
            there = stack.enter_context(veneur_global(tmp_path, sink)).grpc_address
            source: Callable[[], Found] = lambda: repeated(sink)  # noqa: E731
        else:
            ours = stack.enter_context(owner(tmp_path))
            there, source = address(ours), lambda: published(ours)
        between = stack.enter_context(veneur_proxy(tmp_path, there))
        settings = {"forward_address": between.grpc_address}
        host = stack.enter_context(node(tmp_path, "host", settings))
        host.send(*SENT)
        require_values(*await_all(source))


@pytest.mark.parametrize("from_", ["veneur", "veneurpy"])
def test_a_proxy_of_ours_serves_both_kinds(tmp_path: Path, sink: Repeated, from_: str) -> None:
    """Behind our proxy a ring may have owners of both kinds, each with its own share."""
    with ExitStack() as stack:
        theirs = stack.enter_context(veneur_global(tmp_path, sink))
        ours = stack.enter_context(owner(tmp_path))
        ring = {"members": {"theirs": theirs.grpc_address, "ours": address(ours)}, "hash": "veneur"}
        proxy = {"grpc_address": "127.0.0.1:0", "forward": ring, "metric_sinks": []}
        between = stack.enter_context(node(tmp_path, "proxy", proxy))
        if from_ == "veneur":
            host = stack.enter_context(veneur_host(tmp_path, address(between)))
            host.send(*SENT)
        else:
            settings = {"forward_address": address(between)}
            stack.enter_context(node(tmp_path, "host", settings)).send(*SENT)
        found = await_all(lambda: published(ours), lambda: repeated(sink))
    require_values(*found)
    assert all(set(WANTED) & set(each) for each in found)
