"""The debug and blackhole sinks, and the thread that others write in."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections import Counter

import pytest

from veneurpy.model import Event, ServiceCheck
from veneurpy.ports import FlushResult
from veneurpy.sinks._worker import Worker
from veneurpy.sinks.blackhole import BlackholeSink
from veneurpy.sinks.debug import DebugSink
from veneurpy.testing import START_MS, FakeContext, batch


def debug_sink(context: FakeContext, **options: int) -> DebugSink:
    return DebugSink(DebugSink.Config(**options), context)


async def test_debug_logs_a_point():
    """A point is one line of the node's log at level debug."""
    context = FakeContext()
    await debug_sink(context).flush(batch(("hits", 3.0, "counter", "b,a:1")))
    expected = {
        "level": "debug",
        "event": "point",
        "name": "hits",
        "tags": "a:1,b",
        "type": "counter",
        "scope": "mixed",
        "timestamp": START_MS / 1000,
        "value": 3.0,
    }
    assert [expected] == context.logged


async def test_debug_is_bounded():
    """Beyond max_points the rest is counted in one event, and confirmed all the same."""
    context = FakeContext()
    sink = debug_sink(context, max_points=2)
    result = await sink.flush(batch(*[(f"n{i}", 1.0) for i in range(500)]))
    assert FlushResult(confirmed=500) == result
    assert ["point", "point", "more_points"] == [log["event"] for log in context.logged]
    assert 498 == context.logged[-1]["count"]


async def test_debug_logs_events_and_checks():
    """Events and checks are logged with all their fields, within the same bound each."""
    events, checks = [Event("t", "x", 1)] * 2, [ServiceCheck("c", 2, 1)] * 3
    context = FakeContext()
    result = await debug_sink(context, max_points=2).flush_events(events, checks)
    assert 5 == result.confirmed
    assert {"event": 2, "check": 2, "more_checks": 1} == Counter(
        log["event"] for log in context.logged
    )


async def test_blackhole_confirms_everything():
    """Nothing is rejected, and nothing kept."""
    sink = BlackholeSink(BlackholeSink.Config(), FakeContext())
    assert FlushResult(confirmed=2) == await sink.flush(batch(("a", 1.0), ("b", 1.0)))
    assert FlushResult(confirmed=1) == await sink.flush_events([], [ServiceCheck("c", 2, 1)])


async def test_a_worker_runs_one_call_after_another():
    """Calls run in order, in one thread that is not the loop's."""
    worker, seen = Worker("w"), []
    work = [lambda i=i: seen.append((i, threading.get_ident())) for i in range(20)]
    await asyncio.gather(*map(worker.run, work))
    worker.close()
    assert list(range(20)) == [number for number, _ in seen]
    assert 1 == len({thread for _, thread in seen} - {threading.get_ident()})


async def test_a_worker_hands_errors_back():
    """What a call raises is raised to the one who waits, and the worker lives on."""
    worker = Worker("w")
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 // 0)
    assert 1 == await worker.run(lambda: 1)
    worker.close()


async def test_a_call_that_was_cancelled_in_the_queue_never_runs():
    """Cancelled before its turn, a call does not run, and what it held is free at once."""

    class Large:
        pass

    worker, gate, seen, large = Worker("w"), threading.Event(), [], Large()
    gone = weakref.ref(large)
    first = asyncio.create_task(worker.run(gate.wait))
    second = asyncio.create_task(worker.run(lambda held=large: seen.append("second")))
    await asyncio.sleep(0)
    del large
    second.cancel()
    await asyncio.wait([second])
    del second
    gc.collect()
    assert gone() is None
    gate.set()
    await first
    await worker.run(lambda: seen.append("third"))
    worker.close()
    assert ["third"] == seen


async def test_a_worker_keeps_nothing():
    """What a call held is free once it is done, though no other call follows."""

    class Large:
        pass

    worker, large = Worker("w"), Large()
    gone = weakref.ref(large)
    await worker.run(lambda held=large: None)
    del large
    await worker.run(lambda: None)
    gc.collect()
    worker.close()
    assert gone() is None
