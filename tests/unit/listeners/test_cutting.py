"""Cutting streams: what comes out is that of the whole, whatever the pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veneurpy.engine import Process, Reader, open_engine
from veneurpy.engine.types import Bytes, EngineOptions
from veneurpy.listeners._cutting import BadFrame, Cutter, EitherCutter, FrameCutter, LineCutter
from veneurpy.testing import START_MS

MOST = 12


class Taker:
    """A reader that notes what it is given; lines of one call are told apart."""

    listener = "test"

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.calls: list[bytes] = []
        self.discarded = 0

    def feed(
        self,
        datagram: Bytes,
        *,
        truncated: bool = False,
        now_ns: int | None = None,
        client: str | None = None,
        process: Process | None = None,
    ) -> None:
        self.calls.append(bytes(datagram))
        self.lines += [line for line in bytes(datagram).split(b"\n") if line]

    def discard_line(self) -> None:
        self.discarded += 1

    def stop(self, timeout_s: float) -> int:
        return 0

    def leave(self) -> None: ...


def feed(cutter: Cutter, data: bytes, cuts: list[int]) -> None:
    """Gives it the data in pieces, each in a buffer that is used again."""
    buffer = bytearray(max(len(data), 1))
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    for start, end in pairwise(bounds):
        buffer[: end - start] = data[start:end]
        if end > start:
            cutter.take(buffer, 0, end - start)
        buffer[:] = b"?" * len(buffer)
    cutter.finish()


def framed(*payloads: bytes) -> bytes:
    return b"".join(len(each).to_bytes(4, "little") + each for each in payloads)


STREAMS = st.lists(st.sampled_from([b"\n", b"a:1|c", b"b", b"x" * 7, b"y" * 13, b"\r\n"])).map(
    b"".join
)


@given(STREAMS, st.lists(st.integers(0, 1000)))
def test_lines_do_not_depend_on_pieces(data: bytes, cuts: list[int]) -> None:
    """Every line up to the limit is taken, in order; every longer one is counted once."""
    taker = Taker()
    feed(LineCutter(taker, MOST), data, cuts)
    lines = [line for line in data.split(b"\n") if line]
    assert [line for line in lines if len(line) <= MOST] == taker.lines
    assert sum(len(line) > MOST for line in lines) == taker.discarded


@given(STREAMS, st.lists(st.integers(0, 1000)))
def test_no_more_is_held_than_a_line(data: bytes, cuts: list[int]) -> None:
    """Memory for one connection is bounded by the longest line."""
    cutter = LineCutter(Taker(), MOST)
    for at, byte in enumerate(data):
        cutter.take(bytearray([byte]), 0, 1)
        assert cutter.held_bytes <= MOST, at


@given(st.lists(st.binary(min_size=1, max_size=9)), st.lists(st.integers(0, 1000)))
def test_frames_do_not_depend_on_pieces(payloads: list[bytes], cuts: list[int]) -> None:
    """Every frame is one datagram, in order."""
    taker = Taker()
    feed(FrameCutter(taker, max_frame_bytes=9), framed(*payloads), cuts)
    assert payloads == taker.calls


@pytest.mark.parametrize("name", [b"a", b"a" * (ord("\n") - 4)], ids=["short", "length is LF"])
@given(st.booleans(), st.lists(st.integers(0, 1000)))
def test_frames_and_lines_are_told_apart(name: bytes, is_framed: bool, cuts: list[int]) -> None:
    """By the first bytes, in whatever pieces these come."""
    lines = [name + b":1|c", name + b":2|c"]
    for data_cuts in (cuts, [1, 2, 3, *cuts]):
        taker = Taker()
        data = framed(*lines) if is_framed else b"\n".join([*lines, b""])
        feed(EitherCutter(LineCutter(taker, MOST), FrameCutter(taker)), data, data_cuts)
        assert lines == taker.lines


@pytest.mark.parametrize("data", [b"a\n", b"\n\n", b"abc"], ids=repr)
def test_a_short_stream_is_lines(data: bytes) -> None:
    """Fewer bytes than a length has are a line."""
    taker = Taker()
    feed(EitherCutter(LineCutter(taker, MOST), FrameCutter(taker)), data, [])
    assert data.split() == taker.lines


@pytest.mark.parametrize("size", [0, 10, 1 << 31], ids=repr)
def test_an_impossible_length_is_refused(size: int) -> None:
    """Nothing, or more than a frame may have: where the next one begins is not known any more."""
    taker = Taker()
    cutter = FrameCutter(taker, max_frame_bytes=9)
    with pytest.raises(BadFrame):
        feed(cutter, framed(b"good") + size.to_bytes(4, "little"), [])
    assert [b"good"] == taker.calls


def test_half_a_frame_is_not_taken() -> None:
    """What it would have said is not known."""
    taker = Taker()
    with pytest.raises(BadFrame):
        feed(FrameCutter(taker), framed(b"a:1|c")[:-1], [])
    assert [] == taker.calls


def test_the_engine_counts_what_is_too_long() -> None:
    """The line is in the ledger, with its reason."""
    engine = open_engine("python", EngineOptions(), start_ms=START_MS)
    reader: Reader = engine.open_reader("test", max_datagram_bytes=100)
    feed(LineCutter(reader, MOST), b"a:1|c\n" + b"x" * 50 + b"\nb:1|c", [20, 40])
    ((_, accounts),) = engine.open_accounts()
    assert (3, 2, 1) == (accounts.lines, accounts.accepted, accounts.rejected["too_long"])
