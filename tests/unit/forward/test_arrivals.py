"""What Veneurs send belongs to the interval it comes in."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fleet import INTERVAL_MS
from tests.recording import Recorder
from veneurpy.engine import EngineOptions, open_engine
from veneurpy.engine.reference_metric import metrics_of
from veneurpy.forward.arrivals import Arrivals
from veneurpy.forward.encode import Encoder
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.ports import ImportRefused
from veneurpy.telemetry import Telemetry, metrics
from veneurpy.testing import START_MS, FakeClock

TABLE = EpochTable([Epoch(1, 0, ("o0",))])
ENCODER = Encoder("p", INTERVAL_MS, owns=False)


class Rig:
    """A proxy: an engine without listeners, and what Veneurs send it."""

    def __init__(self, options: EngineOptions) -> None:
        self.clock = FakeClock()
        self.telemetry = Telemetry(Recorder(), self.clock)
        self.engine = open_engine("python", options, start_ms=START_MS)
        self.arrivals = Arrivals(self.engine, clock=self.clock, telemetry=self.telemetry)

    def flushed(self) -> list[bytes]:
        """The metrics that the interval is encoded to."""
        self.clock.advance(INTERVAL_MS / 1000)
        interval = self.engine.rotate(self.clock.now_ns() // 1_000_000)
        sources = self.arrivals.take()
        found = ENCODER.outgoing(interval, table=TABLE, carry=b"", sources=sources)
        interval.release()
        for source in sources:
            source.release()
        assert all(batch.id.uuid == interval.uuid for batch in found.batches)
        return [metric for batch in found.batches for metric in metrics_of(batch.payload)]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    made = Rig(EngineOptions())
    yield made
    await made.arrivals.close()
    made.engine.close()


def a_list(*names: str) -> bytes:
    """A MetricList as a Veneur would send it, of global counters."""
    engine = open_engine("python", EngineOptions(), start_ms=START_MS)
    for name in names:
        engine.open_reader(name).feed(f"{name}:2|c|#veneurglobalonly".encode())
    interval = engine.rotate(START_MS + INTERVAL_MS)
    (batch,) = ENCODER.outgoing(interval, table=TABLE, carry=b"").batches
    engine.close()
    return batch.payload


def framed(payload: bytes) -> bytes:
    """Its metrics as messages of a stream."""
    return b"".join(
        b"\0" + len(metric).to_bytes(4, "big") + metric for metric in metrics_of(payload)
    )


async def test_lists_and_streams_become_batches_of_the_interval(rig: Rig) -> None:
    """They are merged, and the next interval begins without them."""
    await rig.arrivals.take_list(a_list("a", "b"), sender="v")
    frames = framed(a_list("b", "c"))
    assert len(frames) == await rig.arrivals.take_veneur(frames + b"\0", sender="v")
    assert 3 == len(rig.flushed())
    assert [] == rig.flushed()
    assert 4 == rig.telemetry.value(metrics.VENEUR_METRICS, fate="taken")


async def test_what_is_broken_is_refused(rig: Rig) -> None:
    """It is the sender's fault; nothing of it is taken."""
    with pytest.raises(ImportRefused) as refused:
        await rig.arrivals.take_list(b"\xff", sender="v")
    assert not refused.value.is_full
    assert [] == rig.flushed()


async def test_what_has_no_room_is_refused() -> None:
    """It is ours."""
    rig = Rig(EngineOptions(import_max_bytes=10))
    with pytest.raises(ImportRefused) as refused:
        await rig.arrivals.take_list(a_list("a"), sender="v")
    assert refused.value.is_full
    await rig.arrivals.close()
    rig.engine.close()
