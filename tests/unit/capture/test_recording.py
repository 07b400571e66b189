"""From readers to a capture."""

from __future__ import annotations

from pathlib import Path

from tests.engines import START_MS, engine_kinds
from veneurpy.capture.dogfile import HEADER, CaptureFile, encode_end
from veneurpy.capture.recording import Recording
from veneurpy.engine import EngineKind, EngineOptions, open_engine

SECOND = 1_000_000_000


def read(folder: Path, *parts: bytes) -> list[tuple[int, bytes]]:
    path = folder / "some.dog"
    path.write_bytes(HEADER + b"".join(parts) + encode_end())
    with CaptureFile(path) as file:
        return [(datagram.time_ns // SECOND, datagram.payload) for datagram in file]


@engine_kinds
def test_several_readers(tmp_path: Path, kind: EngineKind) -> None:
    """What several readers kept is in order of time; each part begins where the last one ended."""
    engine = open_engine(kind, EngineOptions(capture_bytes=1 << 20), start_ms=START_MS)
    one, other = engine.open_reader("one"), engine.open_reader("other")
    for second in range(0, 20, 2):
        one.feed(b"one", now_ns=second * SECOND)
        other.feed(b"other", now_ns=(second + 1) * SECOND)
    recording = Recording(engine.readers, since_ns=5 * SECOND)
    first = list(recording.part(9 * SECOND))
    second_part = list(recording.part(12 * SECOND))
    other.feed(b"late", now_ns=21 * SECOND)
    rest = list(recording.part(30 * SECOND))
    engine.close()

    everything = [(s, b"other" if s % 2 else b"one") for s in range(20)] + [(21, b"late")]
    assert everything[5:10] == read(tmp_path, *first)
    assert everything[10:13] == read(tmp_path, *second_part)
    assert everything[13:] == read(tmp_path, *rest)
    assert 16 == recording.datagrams
