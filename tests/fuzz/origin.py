"""Origins: whatever lines and control groups say, both engines make the same tags of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.engines import Datagram
from tests.fuzz.bench import NEXT, READERS, Benches
from tests.golden.cases import yaml_cases
from veneurpy.engine import EngineOptions, Grammar, NameTags, OriginTag, Process

TRUNCATED = 4
UNKNOWN = 8
"""The kernel does not say who sends."""
UID = 1000
GROUPS = [
    b"",
    b"0::/system.slice/docker-" + b"0123456789abcdef" * 4 + b".scope\n",
    b"12:cpu:/ecs/" + b"0123456789abcdef" * 2 + b"-1234567890\n0::/\n",
]
LINES = [
    b"a:1|c|c:ci-abc|e:it-false,cn-web,pu-1-2|card:low",
    b"a:1|c|#x:1,y|@0.5|c:in-5\n_e{1,3}:a||#b|#x:1|c:bare\r\n_sc|a|0|#|m:b|c:cid-x",
    b"_e{2,2}:aa|bb\n_e{1,1}:a|bc\n_e{1}:\n_sc|a\na:1\n\nb;x=1:2|g|c:" + b"x" * 65,
]


@cache
def _proc() -> tempfile.TemporaryDirectory[str]:
    """Where processes are looked up; removed at the end."""
    return tempfile.TemporaryDirectory()


@cache
def _benches() -> Benches:
    proc_dir, every = _proc().name, tuple(OriginTag)
    return Benches(
        (
            EngineOptions(store_max_bytes=1 << 23, proc_dir=proc_dir, origin_tags=every),
            EngineOptions(
                store_max_bytes=1 << 23,
                proc_dir=proc_dir,
                origin_tags=every,
                max_datagram_bytes=60,
                grammar=Grammar(NameTags.INFLUXDB | NameTags.LIBRATO, is_statsd=True),
            ),
            EngineOptions(
                store_max_bytes=1 << 23,
                proc_dir=proc_dir,
                origin_tags=(OriginTag.CONTAINER_NAME,),
                side_log_max_bytes=200,
            ),
            EngineOptions(
                store_max_bytes=1 << 23,
                proc_dir=proc_dir,
                origin_tags=(OriginTag.UID, OriginTag.CONTAINER_ID),
                max_series_per_client=2,
            ),
        )
    )


def close() -> None:
    """Gives back what is kept from one input to the next."""
    _benches().close()


def check(data: bytes) -> None:
    """The first byte chooses options; the control groups of the sender, then its datagrams."""
    choice = data[0] if data else 0
    groups, *parts = data[1:].split(NEXT)
    bench = _benches().bench(choice)
    # A process that nothing is remembered of.
    process = None if choice & UNKNOWN else Process(bench.runs + 1, UID)
    folder = Path(_proc().name) / str(bench.runs + 1)
    folder.mkdir()
    (folder / "cgroup").write_bytes(groups)
    now_ns = bench.now_ns()
    traffic = [
        Datagram(part, i % READERS, bool(choice & TRUNCATED and i == len(parts) - 1), now_ns)
        for i, part in enumerate(parts)
    ]
    bench.run(traffic, process=process)
    (folder / "cgroup").unlink()
    folder.rmdir()


def seeds() -> Iterator[bytes]:
    """Origins of every kind, and the protocol's cases."""
    for choice in range(8):
        for groups in GROUPS:
            yield bytes([choice]) + NEXT.join([groups, *LINES])
    for case in yaml_cases():
        yield bytes([1 if case.options.grammar.name_tags else 0]) + NEXT.join([b"", *case.packets])
