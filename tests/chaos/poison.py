"""Batches that no node of ours would send, sent to an owner as if one had."""

from __future__ import annotations

import asyncio
import random
import time
import zlib
from collections.abc import Iterator
from uuid import UUID

from tests.chaos.fleet import INTERVAL_S
from tests.chaos.process import Node
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import EpochTable
from veneurpy.forward.grpc_peer import GrpcPeer
from veneurpy.ports import PeerUnavailable

NAME = b"poison"
CALL_S = 1.0


def payloads(rng: random.Random) -> Iterator[bytes]:
    """Frames that lie about lengths, sketches that are none, numbers that are none, noise."""
    nan, inf = bytes.fromhex("000000000000f87f"), bytes.fromhex("000000000000f07f")
    yield rng.randbytes(rng.randrange(1, 400))
    yield b"\x0a\xff\xff\xff\xff\x0f"
    yield _metric(b"\x18\x01" + _field(6, b"\x09" + nan))
    yield _metric(b"\x18\x01" + _field(5, b"\x08\x01"))
    yield _metric(b"\x18\x63" + _field(5, b"\x08\x01"))
    yield _metric(b"\x18\x02" + _field(7, _field(1, _field(1, b"\x09" + nan + b"\x11" + nan))))
    yield _metric(b"\x18\x02" + _field(7, _field(1, _field(1, b"\x09" + inf + b"\x11" + bytes(8)))))
    yield _metric(b"\x18\x03" + _field(8, b""))
    yield _metric(b"\x18\x03" + _field(8, b"\x01\x0e\x00\x01" + b"\xff" * 8))
    yield _metric(b"\x18\x03" + _field(8, b"\x01\x03\x00\x00" + rng.randbytes(40)))
    yield _metric(b"\x18\x03" + _field(8, b"\x01\x0e\x00\x00\x00\x00\x20\x00" + b"\xff" * 8192))
    whole = _metric(b"\x18\x02" + _field(7, _field(1, b"\x11" + rng.randbytes(8))))
    yield whole[: rng.randrange(1, len(whole))]


def poison(node: Node, rng: random.Random) -> None:
    """Sends an owner one of each, some with identities that cannot be. Whatever it answers."""
    if port := node.grpc_port:
        asyncio.run(_send(node.name, port, rng))


async def _send(name: str, port: int, rng: random.Random) -> None:
    peer = GrpcPeer(name, lambda _: f"127.0.0.1:{port}", timeout_s=CALL_S)
    try:
        table = await peer.table()
        for payload in payloads(rng):
            await peer.deliver(_batch(name, payload, table, rng))
    except PeerUnavailable:
        pass  # it is dead, asleep or busy: another round's owner will have it
    finally:
        await peer.close()


def _batch(name: str, payload: bytes, table: EpochTable, rng: random.Random) -> Batch:
    length_ms = round(INTERVAL_S * 1000)
    now_ms = time.time_ns() // 1_000_000
    start_ms = now_ms - now_ms % length_ms
    return Batch(
        id=BatchId(UUID(int=rng.getrandbits(128)), rng.choice((0, 1, -1, 1 << 40)), 2),
        start_ms=start_ms,
        length_ms=length_ms,
        epoch=table.at(start_ms).number,
        owner=name,
        sender="poisoner",
        payload=payload,
        crc=zlib.crc32(payload) ^ (rng.random() < 0.1),
        series=rng.getrandbits(31),
        samples=rng.getrandbits(31),
    )


def _metric(rest: bytes) -> bytes:
    return _field(1, _field(1, NAME) + rest)


def _field(number: int, data: bytes) -> bytes:
    size, length = len(data), b""
    while size > 0x7F:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + data
