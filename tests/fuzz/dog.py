"""Capture files: any bytes are read or refused with a reason, in bounded memory."""

from __future__ import annotations

import tempfile
import tracemalloc
from collections.abc import Iterator
from dataclasses import astuple
from itertools import islice
from pathlib import Path

import zstandard

from veneurpy.capture.dogfile import (
    HEADER,
    LARGEST_MESSAGE,
    CaptureError,
    CaptureFile,
    Datagram,
    encode_datagram,
    encode_end,
)
from veneurpy.engine.reference_protobuf import bytes_field, varint_field

MEMORY = Path("/dev/shm")
COMPRESSED = 1
MOST_BYTES = 4 * LARGEST_MESSAGE
"""What reading may take at once: a message, its payload, and what is cut from it."""
MOST_DATAGRAMS = 10_000
"""A few compressed bytes may be millions of them."""
MOST_KEPT = 1 << 20


def check(data: bytes) -> None:
    """The first byte says whether the rest is compressed before it is read."""
    is_compressed = bool(data and data[0] & COMPRESSED)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place:
        path = Path(place) / "c.dog"
        path.write_bytes(zstandard.compress(data[1:]) if is_compressed else data[1:])
        tracemalloc.start()
        try:
            found = read(path)
            assert tracemalloc.get_traced_memory()[1] < MOST_BYTES + MOST_KEPT
        finally:
            tracemalloc.stop()
        written = b"".join(encode_datagram(*astuple(datagram)) for datagram in found)
        path.write_bytes(HEADER + written + encode_end())
        assert found == read(path)


def read(path: Path) -> list[Datagram]:
    """The first datagrams that are in it, as many as may be kept, whatever comes behind them."""
    found: list[Datagram] = []
    size = 0
    try:
        with CaptureFile(path) as file:
            for datagram in islice(file, MOST_DATAGRAMS):
                size += len(datagram.payload)
                if size <= MOST_KEPT // 2:
                    found.append(datagram)
            assert file.missed_bytes >= 0
    except CaptureError:
        pass
    return found


def seeds() -> Iterator[bytes]:
    """Captures of ours and of the Agent, of every version, whole and damaged."""
    body = encode_datagram(300, b"a:1|c") + encode_datagram(400, b"b:2|g\nc:3|ms", 1234)
    agents = (
        varint_field(1, 5) + varint_field(2, 3) + bytes_field(3, b"a:1|c") + bytes_field(6, b"x")
    )
    state = bytes_field(1, b"\x08\x01") + bytes_field(2, b"container_id://cafe")
    for version in range(5):
        header = HEADER[:4] + bytes([0xF0 | version]) + HEADER[5:]
        end = len(agents).to_bytes(4, "little") + agents + bytes(4) + state
        for content in (
            header + body + encode_end(7),
            header + end + len(state).to_bytes(4, "little"),
            header + body[:-1],
        ):
            yield b"\0" + content
            yield b"\1" + content
            yield b"\0" + zstandard.compress(content)[:-2]
    yield b"\0" + HEADER + (LARGEST_MESSAGE + 1).to_bytes(4, "little")
