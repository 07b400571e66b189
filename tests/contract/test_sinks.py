"""What every sink promises. A new one joins by being registered."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from pydantic import BaseModel, ValidationError

from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import POINTS_AT_ONCE, FlushBatch, Sink, WriteClass
from veneurpy.registry import sink_class, sink_kinds
from veneurpy.testing import FakeContext, Row, batch

Options = Callable[[Path, int], dict[str, Any]]

MINIMAL: dict[str, Options] = {
    "localfile": lambda directory, port: {"flush_file": str(directory / "points.jsonl")},
    "statsd": lambda directory, port: {"address": f"127.0.0.1:{port}"},
}
"""The options that a sink cannot do without; UDP is received at the port."""

MANY: tuple[Row, ...] = tuple(
    (f"requests.{i % 7}", float(i), "counter" if i % 7 < 4 else "gauge", f"shard:{i}")
    for i in range(2500)
)
AWKWARD: dict[str, tuple[Row, ...]] = {
    "one row": (("hits", 1.0, "counter"),),
    "2,500 rows": MANY,
    "out of order": (("b", 1.0), ("a", 2.0), ("b", 3.0, "gauge", "z:1"), ("a", 4.0, "gauge", "b")),
    "unicode": (("größe.日本", 1.0, "gauge", "stadt:Zürich,emoji:🦕"),),
    "markup": (('a"b,c\\d', 1.0, "gauge", 'k:"v",w:a\\b,x:{y}=z|\''),),
    "terminal codes": (("csi.\x9b31m", 1.0, "gauge", "bidi:\u202e"),),
    "huge": (("v", 1e290), ("w", -1e290, "counter")),
    "tiny": (("v", 5e-324), ("w", -0.0), ("x", -0.0, "counter")),
    "status": (("db.up", 2.0, "status"),),
    "same series, two types": (("v", 1.0, "gauge"), ("v", 2.0, "counter")),
    "long": (("n" * 4000, 1.0, "gauge", ",".join(f"tag{i}:{'v' * 40}" for i in range(80))),),
}
EVENTS = (
    Event(
        "Deployed", "v2\nof äpp", 1_700_000_001, ("env:prod", "äpp"), "web-1", alert_type="error"
    ),
    Event("", "", 1_700_000_002),
)
CHECKS = (
    ServiceCheck("db.up", 2, 1_700_000_003, ("db:main",), "db-1", "no\nanswer \x1b[31m"),
    ServiceCheck("x", 0, 1_700_000_004),
)


@pytest.fixture(params=sink_kinds())
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def options(kind: str, tmp_path: Path) -> Iterator[dict[str, Any]]:
    """The minimal configuration of this kind."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        yield MINIMAL.get(kind, lambda *_: {})(tmp_path, receiver.getsockname()[1])


@pytest.fixture
def make(
    kind: str, options: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> Callable[[], Sink]:
    """Makes a sink of this kind with its minimal configuration. What it prints is swallowed."""

    def made() -> Sink:
        cls = sink_class(kind)
        return cls(cls.Config(**options), FakeContext(kind))

    return made


@pytest.fixture
async def sink(make: Callable[[], Sink]) -> AsyncIterator[Sink]:
    """A started sink."""
    started = make()
    await started.start()
    yield started
    await started.stop()


def snapshot(flushed: FlushBatch) -> tuple[object, ...]:
    """All that a batch is, by value."""
    columns = flushed.columns
    numbers = [columns.name, columns.tag, columns.type, columns.scope, columns.timestamp_ms]
    texts = [list(columns.names), list(columns.tags)]
    return texts, [column.tolist() for column in numbers], columns.value.tobytes(), flushed.rows


def test_it_declares_itself(kind: str):
    """A sink says how it takes repeats, what it takes, and is documented."""
    cls = sink_class(kind)
    assert isinstance(cls.write_class, WriteClass)
    assert isinstance(cls.takes_events, bool)
    assert isinstance(cls.takes_checks, bool)
    assert issubclass(cls.Config, BaseModel)
    assert cls.__doc__


def test_it_refuses_unknown_options(kind: str, options: dict[str, Any]):
    """An option that it does not know is an error."""
    with pytest.raises(ValidationError, match="no_such_option"):
        sink_class(kind).Config(**options, no_such_option=1)


@pytest.mark.parametrize("rows", AWKWARD.values(), ids=AWKWARD.keys())
async def test_every_row_is_accounted_for(sink: Sink, rows: Sequence[Row]):
    """Whatever the rows are, the accounts of the result add up to them, and a second time too."""
    flushed = batch(*rows)
    for _ in range(2):
        result = await sink.flush(flushed)
        assert len(rows) == result.total
        assert 0 == result.given_up + result.in_doubt


async def test_it_begins_its_threads_at_the_start(sink: Sink, monkeypatch: pytest.MonkeyPatch):
    """Later the kernel may have none left, and the rows would be lost. The loop has its own."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    await asyncio.to_thread(int)

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        assert 1 == (await sink.flush(batch(("hits", 1.0, "counter")))).total


async def test_it_takes_its_rows_only(sink: Sink):
    """A batch that is narrowed to some rows counts as these, in whatever order they are named."""
    assert 3 == (await sink.flush(batch(*MANY, only=[2499, 0, 7]))).total


async def test_it_changes_nothing(sink: Sink):
    """A batch is shared by all sinks: none changes it."""
    flushed = batch(*MANY, only=list(range(0, 2500, 3)))
    before = snapshot(flushed)
    await sink.flush(flushed)
    assert before == snapshot(flushed)


class Watched:
    """A column of values that counts how many are read on this thread between two `beat`s."""

    def __init__(self, values: memoryview) -> None:
        self._values = values
        self._thread = threading.get_ident()
        self._run = 0
        self.longest_run = 0

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, row: int) -> float:
        self._run += threading.get_ident() == self._thread
        self.longest_run = max(self.longest_run, self._run)
        return self._values[row]

    async def beat(self) -> None:
        while True:
            self._run = 0
            await asyncio.sleep(0)


async def test_the_loop_runs_on(sink: Sink):
    """Other tasks run after a thousand points at the latest: the rest of the work is in threads."""
    flushed = batch(*MANY)
    values = Watched(flushed.columns.value)
    heart = asyncio.create_task(values.beat())
    await asyncio.sleep(0)
    columns = replace(flushed.columns, value=cast("memoryview", values))
    await sink.flush(replace(flushed, columns=columns))
    heart.cancel()
    assert values.longest_run <= POINTS_AT_ONCE


async def test_it_takes_the_events_it_asks_for(sink: Sink):
    """Events and checks are accounted for, together and alone."""
    for events, checks in ((EVENTS, CHECKS), (EVENTS, ()), ((), CHECKS)):
        wanted = (events if sink.takes_events else (), checks if sink.takes_checks else ())
        if any(wanted):
            assert len(wanted[0]) + len(wanted[1]) == (await sink.flush_events(*wanted)).total


async def test_it_can_be_called_off(sink: Sink):
    """A flush that runs out of time leaves a sink that takes the next one."""
    task = asyncio.create_task(sink.flush(batch(*MANY)))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert 1 == (await sink.flush(batch(("after", 1.0)))).total


async def test_it_stops_without_having_started(make: Callable[[], Sink]):
    """stop is safe where start failed or was never called, and twice."""
    sink = make()
    await sink.stop()
    await sink.stop()


async def test_it_starts_again(make: Callable[[], Sink]):
    """What one sink has closed, the next one of the same configuration opens."""
    for _ in range(2):
        sink = make()
        await sink.start()
        assert 1 == (await sink.flush(batch(("a", 1.0)))).total
        await sink.stop()


async def test_its_state_shows(sink: Sink):
    """repr names the class."""
    assert type(sink).__name__ in repr(sink)
