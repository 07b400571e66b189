"""Runs of DATA frames are joined, and nothing else changes."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veneurpy.engine.native.frames import join_frames
from veneurpy.rpc.frames import FrameJoiner, FrameTooLong, join_frames_plainly

MOST, LONGEST = 16384, 1 << 20


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    """One frame."""
    return struct.pack(">I", len(body))[1:] + struct.pack(">BBI", kind, flags, stream) + body


FRAMES = st.builds(
    frame,
    st.sampled_from([0, 0, 0, 0, 1, 4, 8]),
    st.sampled_from([0, 0, 0, 1, 8, 9]),
    st.sampled_from([1, 1, 1, 3]),
    st.binary(max_size=40),
)


def test_a_run_becomes_one_frame() -> None:
    """Three messages in three frames come out as one frame, with the end of the stream."""
    sent = frame(0, 0, 1, b"ab") + frame(0, 0, 1, b"c") + frame(0, 1, 1, b"")
    assert (frame(0, 1, 1, b"abc"), len(sent)) == join_frames(sent, MOST, LONGEST)


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(frame(0, 0, 3, b"x"), id="another stream"),
        pytest.param(frame(0, 8, 1, b"\x00x"), id="padded"),
        pytest.param(frame(1, 4, 1, b"x"), id="headers"),
    ],
)
def test_what_does_not_belong_stays_apart(second: bytes) -> None:
    """Other streams, padded frames and other kinds are passed on as they came, in their order."""
    sent = frame(0, 0, 1, b"a") + second + frame(0, 0, 1, b"b")
    assert (sent, len(sent)) == join_frames(sent, MOST, LONGEST)


def test_a_joined_frame_keeps_within_the_bound() -> None:
    """No frame is made longer than the receiver announced."""
    sent = frame(0, 0, 1, b"x" * 60) * 3
    assert (frame(0, 0, 1, b"x" * 120) + frame(0, 0, 1, b"x" * 60), len(sent)) == join_frames(
        sent, 60, 120
    )


def test_a_frame_that_is_too_long_is_refused_by_its_header() -> None:
    """What announces more than is allowed is not waited for."""
    joiner = FrameJoiner(most_bytes=60, longest_bytes=120)
    with pytest.raises(FrameTooLong):
        joiner.join(frame(0, 0, 1, b"a") + frame(0, 0, 1, b"x" * 61)[:20])


@given(frames=st.lists(FRAMES, max_size=12), cut=st.integers(0, 40), longest=st.integers(1, 100))
def test_native_and_plain_agree(frames: list[bytes], cut: int, longest: int) -> None:
    """Both ways give the same bytes, wherever the input is cut."""
    sent = b"".join(frames)
    sent = sent[: max(0, len(sent) - cut)]
    assert join_frames_plainly(sent, 30, longest) == join_frames(sent, 30, longest)


@given(noise=st.binary(max_size=300), most=st.integers(1, 100), longest=st.integers(1, 100))
def test_noise_is_no_danger(noise: bytes, most: int, longest: int) -> None:
    """Bytes that are no frames give the same in both, and never more than came."""
    joined, taken = join_frames(noise, most, longest)
    assert join_frames_plainly(noise, most, longest) == (joined, taken)
    assert len(joined) <= taken <= len(noise)


@given(frames=st.lists(FRAMES, max_size=12), pieces=st.lists(st.integers(1, 30), max_size=30))
def test_how_the_bytes_arrive_does_not_matter(frames: list[bytes], pieces: list[int]) -> None:
    """Each stream's bytes are the same however the connection was cut into reads."""
    sent, out, at = b"PREFACE" + b"".join(frames), b"", 0
    joiner = FrameJoiner(most_bytes=MOST, longest_bytes=LONGEST, preface_bytes=7)
    for size in (*pieces, len(sent)):
        out += joiner.join(sent[at : at + size])
        at += size
    assert out[:7] == b"PREFACE"
    assert join_frames(b"".join(frames), MOST, LONGEST)[0] == join_frames(out[7:], MOST, LONGEST)[0]
