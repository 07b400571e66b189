"""Arena files: changed in any byte or cut short, they are salvaged or refused, never believed."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.engines import NOW_NS, START_MS
from tests.property.compare import PLAN
from veneurpy.engine import EngineOptions, Grammar, open_engine

MEMORY = Path("/dev/shm")
SIZE = 1 << 20
UNIT = 8
TRAFFIC = [
    b"c:1|c|#a:b,c\nc:2|c\ng:3|g\nlong.name.of.a.counter:4.5|c|@0.1|#x:y,z|T%d"
    % (START_MS // 1000),
    b"\n".join(b"s:%d|s\nh:%d|h|@0.5\nt:%d|ms" % (i % 40, i, i % 7) for i in range(30)),
    b"\n".join(b"t:%d:%d:%d|ms\nw:%d:2|h|@0.1" % (i, -i, i * i, i) for i in range(300)),
    b"\n".join(b"dense:%d|s" % i for i in range(1700)),
    b"_e{1,1}:a|b\n_sc|x|0\n_e{2,2}:aa|bb",
    b"g:+1|g\nd:+2|g\nd:-4|g\ng:5|g\ng:+0.5|g",
]


def check(data: bytes) -> None:
    """Patches of a good file: 2 bytes of place, 1 of length, the new bytes; or cut, at length 0."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as place:
        (Path(place) / "0-0.arena").write_bytes(patched(bytearray(good_file()), data))
        read_all(place)


def patched(image: bytearray, data: bytes) -> bytes:
    """The file with the changes that the data say."""
    low, high = ends()
    used = low + len(image) - high
    while len(data) > 2:
        at, length = int.from_bytes(data[:2], "little") * UNIT % used, data[2] % 33
        at += 0 if at < low else high - low
        new, data = data[3 : 3 + length], data[3 + length :]
        if length == 0:
            return bytes(image[: at or 1])
        image[at : at + len(new)] = new[: len(image) - at]
    return bytes(image)


@cache
def ends() -> tuple[int, int]:
    """Between them is the longest stretch of the good file that nothing was written to."""
    image = good_file()
    gap = max(re.finditer(rb"\0+", image), key=lambda found: len(found[0]))
    return gap.start(), gap.end() // UNIT * UNIT


def read_all(place: str) -> None:
    """Everything that can be asked of what was found."""
    engine = open_engine("native", options(place), start_ms=START_MS)
    for interval in engine.recovered():
        assert all(accounts.lines >= 0 for _, accounts in interval.accounts)
        assert len(interval.columns(PLAN).value) >= 0
        assert interval.series >= len(interval.type_conflicts)
        assert all(isinstance(line, bytes) for _, line in interval.side_log)
        interval.release()
    engine.close()
    assert [] == list(Path(place).glob("*.arena"))


def options(place: str) -> EngineOptions:
    return EngineOptions(arena_dir=place, store_max_bytes=SIZE, compression=20)


@cache
def good_file() -> bytes:
    """What a process leaves that dies with every kind of series in its store."""
    with tempfile.TemporaryDirectory() as place:
        engine = open_engine("native", options(place), start_ms=START_MS)
        reader = engine.open_reader("udp", grammar=Grammar(is_statsd=True))
        for datagram in TRAFFIC:
            for start in range(0, len(datagram), 8000):
                reader.feed(datagram[start : start + 8000], now_ns=NOW_NS)
        # Beside it lies the arena of the interval to come, still without series.
        files = [path.read_bytes() for path in Path(place).glob("*.arena")]
        image = min(files, key=lambda image: image.count(b"\0"))
        engine.close()
    return image


def seeds() -> Iterator[bytes]:
    """The good file, cut files, and each field of the header and of the first entries changed."""
    yield b""
    for unit in (0, 1, 511, 512, 1024, 5000):
        yield unit.to_bytes(2, "little") + b"\0"
    for unit in range(700):
        yield unit.to_bytes(2, "little") + bytes([UNIT]) + b"\xff" * UNIT
