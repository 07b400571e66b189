"""What a real Veneur sends, recorded: the bytes of its connections and the metrics in them."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.grpc_target import served

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
