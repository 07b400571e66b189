"""The small tasks beside the flush, and who supervises them."""

from __future__ import annotations

import asyncio

import pytest

from tests.recording import Recorder
from veneurpy.server.deadline import Deadline
from veneurpy.server.supervisor import Supervisor
from veneurpy.server.tasks import LAG_PERIOD_S, feed_watchdog, watch_lag
from veneurpy.systemd import Notifier
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.metrics import INTERNAL_ERRORS, LOOP_LAG_MAX
from veneurpy.testing import FakeClock


class Told(Notifier):
    """Keeps what a service manager would be told."""

    def __init__(self) -> None:
        super().__init__({"WATCHDOG_USEC": "10000000"})
        self.told: list[str] = []

    def notify(self, *assignments: str) -> None:
        self.told += assignments


async def test_the_loops_lag_is_measured() -> None:
    """A loop that is busy for 70 ms too long has been 70 ms late, and the worst is kept."""
    clock = FakeClock()
    telemetry = Telemetry(Recorder(), clock)
    task = asyncio.create_task(watch_lag(clock, telemetry))
    await clock.run(2 * LAG_PERIOD_S)
    assert telemetry.value(LOOP_LAG_MAX) == pytest.approx(0)
    clock.advance(LAG_PERIOD_S + 0.07)
    await clock.run(1)
    assert telemetry.value(LOOP_LAG_MAX) == pytest.approx(0.07)
    assert b'veneurpy_event_loop_lag_seconds_bucket{le="0.1"}' in telemetry.exposition()
    task.cancel()


async def test_the_watchdog_is_fed_while_the_node_is_healthy() -> None:
    """Twice as often as asked; an unhealthy node is silent, for its manager to restart it."""
    clock, notifier, health = FakeClock(), Told(), [True]
    task = asyncio.create_task(feed_watchdog(clock, notifier, lambda: health[0]))
    await clock.run(14)
    assert ["WATCHDOG=1"] * 3 == notifier.told
    health[0] = False
    await clock.run(100)
    assert len(notifier.told) == 3
    task.cancel()


async def test_the_first_cause_counts() -> None:
    """Whoever asks later changes nothing."""
    supervisor = Supervisor(Telemetry(Recorder(), FakeClock()))
    supervisor.request_stop("SIGTERM")
    supervisor.request_stop("SIGINT")
    await supervisor.wait()
    assert ("SIGTERM", False) == (supervisor.cause, supervisor.crashed)


async def test_a_crash_is_a_cause() -> None:
    """It is logged, counted and told apart from a wish to stop; a task that ends is none."""
    log = Recorder()
    telemetry = Telemetry(log, FakeClock())
    supervisor = Supervisor(telemetry)

    async def end() -> None:
        return

    async def crash() -> None:
        raise ValueError("oops")

    await asyncio.wait([supervisor.start("short", end())])
    assert not supervisor.stopping.is_set()
    supervisor.start("weak", crash())
    await supervisor.wait()
    assert ("crash of weak", True) == (supervisor.cause, supervisor.crashed)
    assert telemetry.value(INTERNAL_ERRORS, task="weak") == 1
    await supervisor.cancel()
    assert ["task_crashed"] == log.names


async def test_cancelling_waits_for_the_end() -> None:
    """What was running has ended afterwards."""
    supervisor = Supervisor(Telemetry(Recorder(), FakeClock()))

    async def forever() -> None:
        await asyncio.Event().wait()

    task = supervisor.start("long", forever())
    await supervisor.cancel()
    assert task.cancelled()


def test_a_deadline_never_turns_negative() -> None:
    """Several steps take what is left of it."""
    clock = FakeClock()
    deadline = Deadline(clock, 5)
    clock.advance(3)
    assert deadline.left_s == pytest.approx(2)
    clock.advance(3)
    assert deadline.left_s == 0


async def test_what_nobody_waited_for_is_an_event() -> None:
    """The loop's own way is text on stderr, and it would wait for whoever does not read it."""
    log = Recorder()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(Supervisor(Telemetry(log, FakeClock())).unhandled)
    for error in (ZeroDivisionError("oops"), OSError("given up")):
        forgotten = loop.create_future()
        forgotten.set_exception(error)
        del forgotten
    (failed,) = log.of("loop_failed")
    assert "ZeroDivisionError('oops')" == failed["error"]
    assert "never retrieved" in failed["what"]
