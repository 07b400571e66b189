"""Capture files: Datadog's format, written and read."""

from __future__ import annotations

import contextlib
import os
import random
import tracemalloc
from pathlib import Path

import pytest
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
from veneurpy.capture.packing import packing

# 08: time, 10: payloadSize, 1a: payload, 20: pid, 28: ancillarySize, 32: ancillary.
MESSAGE = bytes.fromhex("08ac02 1005 1a05") + b"a:1|c"
GOLDEN = (
    bytes.fromhex("d474d060 f3 ff0000")
    + bytes.fromhex("0c000000")
    + MESSAGE
    + bytes.fromhex("00000000 00000000")
)
TIME_NS = 300
AGENTS = (
    bytes.fromhex("d474d060 f3 ff0000")
    + bytes.fromhex("15000000")
    + MESSAGE
    + bytes.fromhex("20d209 2802 3202 0102")
    + bytes.fromhex("00000000")
    # TaggerState{pidMap: {1234: "container_id://cafe"}}
    + bytes.fromhex("1218 08d209 1213")
    + b"container_id://cafe"
    + bytes.fromhex("1a000000")
)


def read(folder: Path, data: bytes) -> list[Datagram]:
    path = folder / "some.dog"
    path.write_bytes(data)
    with CaptureFile(path) as file:
        return list(file)


def test_golden_bytes() -> None:
    """A datagram is written as the Agent would write it."""
    assert GOLDEN == HEADER + encode_datagram(TIME_NS, b"a:1|c") + encode_end()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Any datagrams come back as they were, compressed or not."""
    chance = random.Random(5)
    sent = [
        Datagram(1_700_000_000_000_000_000 + i, chance.randbytes(chance.randrange(9000)), i % 3)
        for i in range(50)
    ]
    data = HEADER + b"".join(encode_datagram(*_parts(each)) for each in sent) + encode_end()

    assert sent == read(tmp_path, data)
    assert sent == read(tmp_path, zstandard.compress(data))


def _parts(datagram: Datagram) -> tuple[int, bytes, int]:
    return datagram.time_ns, datagram.payload, datagram.pid


def test_an_agents_file(tmp_path: Path) -> None:
    """Process, ancillary data and the state of containers are understood or passed over."""
    assert [Datagram(TIME_NS, b"a:1|c", 1234)] == read(tmp_path, AGENTS)


@pytest.mark.parametrize("version", [0, 1, 2])
def test_older_versions(tmp_path: Path, version: int) -> None:
    """Before version 3 times are seconds, before version 2 the file ends with its last message."""
    header = HEADER[:4] + bytes([0xF0 | version]) + HEADER[5:]
    data = header + bytes([len(MESSAGE), 0, 0, 0]) + MESSAGE
    data += encode_end() if version == 2 else b""

    assert [Datagram(300 * 10**9, b"a:1|c")] == read(tmp_path, data)


def test_what_was_missed(tmp_path: Path) -> None:
    """What a capture had to leave out is told by the file itself."""
    path = tmp_path / "some.dog"
    path.write_bytes(HEADER + encode_end(4711))
    with CaptureFile(path) as file:
        assert [] == list(file)
        assert 4711 == file.missed_bytes


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "is no capture: expected a .dog file", id="empty"),
        pytest.param(b"PK\x03\x04 and so on", "is no capture", id="something else"),
        pytest.param(b"\xd4\x74\xd0\x60\xf9\xff\0\0", "of version 9: up to 3", id="newer"),
        pytest.param(HEADER, "damaged after 0 datagrams: it is cut short", id="header alone"),
        pytest.param(GOLDEN[:-1], "damaged after 1 datagrams: it is cut", id="state cut"),
        pytest.param(GOLDEN[:20], "damaged after 0 datagrams: it is cut", id="message cut"),
        pytest.param(HEADER + encode_datagram(1 << 62, b"x"), "a time that is none", id="time"),
        pytest.param(GOLDEN + b"x", "damaged after 1 datagrams", id="more than the end"),
        pytest.param(HEADER + b"\xff" * 4, "a message of 4294967295 bytes", id="huge"),
        pytest.param(HEADER + b"\2\0\0\0\x0b\x0b", "a message that is none", id="no protobuf"),
        pytest.param(zstandard.compress(GOLDEN)[:-6], "damaged after", id="zstd cut"),
        pytest.param(b"\x28\xb5\x2f\xfdnonsense", "damaged after 0", id="zstd nonsense"),
    ],
)
def test_damage(tmp_path: Path, data: bytes, message: str) -> None:
    """What is wrong with a file is said, with how far it was good."""
    with pytest.raises(CaptureError, match=message):
        read(tmp_path, data)


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there is said to be so."""
    with pytest.raises(CaptureError, match=r"none\.dog cannot be read: No such file"):
        CaptureFile(tmp_path / "none.dog")


@pytest.mark.parametrize("data", [GOLDEN, zstandard.compress(GOLDEN)], ids=["plain", "zstd"])
def test_a_pipe(data: bytes) -> None:
    """What can be read only once is read, compressed or not."""
    ours, theirs = os.pipe()
    os.write(theirs, data)
    os.close(theirs)
    with CaptureFile(Path(f"/proc/self/fd/{ours}")) as file:
        assert [Datagram(TIME_NS, b"a:1|c")] == list(file)
    os.close(ours)


@pytest.mark.parametrize("place", ["/", "/proc/self/mem"])
def test_what_cannot_be_read(place: str) -> None:
    """What can be opened, or not even that, and not be read is said to be so."""
    with pytest.raises(CaptureError, match="cannot be read"):
        CaptureFile(Path(place))


def test_a_few_bytes_that_are_many(tmp_path: Path) -> None:
    """However well it is compressed, no more is in memory than a message and its payload."""
    path = tmp_path / "bomb.dog"
    payload = b"x" * (LARGEST_MESSAGE - 100)
    with path.open("wb") as file, packing(file) as packed:
        packed.write(HEADER)
        for i in range(8):
            packed.write(encode_datagram(i, payload))
        packed.write(encode_end())
    assert path.stat().st_size < 1 << 20
    tracemalloc.start()
    with CaptureFile(path) as file:
        assert 8 * len(payload) == sum(len(datagram.payload) for datagram in file)
    most_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert most_bytes < 4 * LARGEST_MESSAGE


def test_any_damage(tmp_path: Path) -> None:
    """Whatever bytes are changed or cut, it is read or refused, and never anything else."""
    chance = random.Random(11)
    good = HEADER + b"".join(encode_datagram(i, b"a:%d|c" % i, i) for i in range(20)) + encode_end()
    for whole in (good, zstandard.compress(good)):
        for _ in range(300):
            data = bytearray(whole[: chance.randrange(len(whole) + 1)])
            for _ in range(chance.randrange(4)):
                if data:
                    data[chance.randrange(len(data))] = chance.randrange(256)
            with contextlib.suppress(CaptureError):
                read(tmp_path, bytes(data))
