"""What a real Veneur sends, recorded: the bytes of its connections and the metrics in them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.grpc_target import served
from veneurpy.engine import (
    EngineKind,
    EngineOptions,
    Output,
    Plan,
    PointType,
    Statistic,
    open_engine,
)
from veneurpy.rpc.stream import framed

GOLDEN = Path(__file__).parent
WAIT_S = 20.0


async def replay(address: str, recorded: bytes, piece_bytes: int) -> bytes:
    """Sends the recorded bytes in pieces; what was answered until there was an end of stream."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    answer = b""
    try:
        async with asyncio.timeout(WAIT_S):
            for at in range(0, len(recorded), piece_bytes):
                writer.write(recorded[at : at + piece_bytes])
                await writer.drain()
            while b"grpc-status" not in answer and b"\x00\x00\x00\x00\x00" not in answer[60:]:
                answer += await reader.read(1 << 16)
    finally:
        writer.close()
    return answer


@pytest.mark.parametrize("piece_bytes", [1 << 16, 100, 7])
async def test_a_recorded_stream(piece_bytes: int) -> None:
    """The bytes of a Veneur's SendMetricsV2 give its metrics, however they are cut."""
    expected = [bytes.fromhex(m) for m in json.loads((GOLDEN / "veneur_stream.json").read_text())]
    async with served() as server:
        await replay(server.address, (GOLDEN / "veneur_stream.bin").read_bytes(), piece_bytes)
    assert expected == server.target.messages


async def test_a_recorded_list() -> None:
    """The bytes of a Veneur's SendMetrics give its list."""
    expected = [bytes.fromhex(json.loads((GOLDEN / "veneur_list.json").read_text()))]
    async with served() as server:
        await replay(server.address, (GOLDEN / "veneur_list.bin").read_bytes(), 1 << 16)
    assert expected == server.target.lists


@pytest.mark.parametrize("kind", ["native", "python"])
def test_recorded_metrics_are_merged(kind: EngineKind) -> None:
    """What a Veneur sent is understood whole, and published with the values that it was told."""
    recorded = json.loads((GOLDEN / "veneur_stream.json").read_text())
    frames = b"".join(framed(bytes.fromhex(message)) for message in recorded)
    outputs = (Output(".50percentile", Statistic.QUANTILE, PointType.GAUGE, 0.5),)
    engine = open_engine(kind, EngineOptions(), start_ms=0)
    try:
        store = engine.open_import(0)
        streamed = store.merge_stream(frames, sender="there", received_ns=1)
        columns = store.columns(Plan(outputs))
        values = {columns.names[columns.name[i]]: columns.value[i] for i in range(len(columns))}
        store.release()
    finally:
        engine.close()
    assert (len(recorded), {}, len(frames)) == (
        streamed.imported.metrics,
        streamed.imported.rejected,
        streamed.consumed,
    )
    assert {"a.count": 3, "a.gauge": 7.5, "a.time.50percentile": 6, "a.users": 1}.items() <= (
        values.items()
    )
    assert values["a.histo.50percentile"] == pytest.approx(99.5, abs=1)
