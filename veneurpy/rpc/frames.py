"""Runs of small DATA frames joined to one, before HTTP/2's state machine sees them.

grpc-go puts each message of a stream into a DATA frame of its own, and h2 takes tens of
microseconds for a frame. Joining changes nothing that HTTP/2 counts: not the bytes, their order, or
their share of the flow control windows.

    +-----------------------------------------------+
    |                 length (24)                   |
    +---------------+---------------+---------------+
    |   type (8)    |   flags (8)   |
    +-+-------------+---------------+-------------------------------+
    |R|                     stream (31)                             |
    +=+=============================================================+
"""

from __future__ import annotations

from struct import Struct

HEADER_BYTES = 9
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

_DATA, _END_STREAM = 0, 1
_HEADER = Struct(">HBBBL")


class FrameTooLong(ValueError):
    """A frame is longer than was announced to be allowed."""


def join_frames_plainly(data: bytes, most_bytes: int, longest_bytes: int) -> tuple[bytes, int]:
    """The whole frames with runs of DATA joined, and how many bytes of `data` they were.

    It stops before a frame of more than `most_bytes`. A run is of one stream, unpadded, and joined
    as long as that stays within `longest_bytes`.
    """
    at, end, out = 0, len(data), list[bytes]()
    run, run_stream, run_flags = -1, 0, 0  # where in `out` the header of the run stands
    run_bytes = 0
    while end - at >= HEADER_BYTES:
        high, low, kind, flags, stream = _HEADER.unpack_from(data, at)
        length = high << 8 | low
        if length > most_bytes or length > end - at - HEADER_BYTES:
            break
        body = data[at + HEADER_BYTES : at + HEADER_BYTES + length]
        is_plain = kind == _DATA and flags & ~_END_STREAM == 0
        fits = run_bytes + length <= longest_bytes
        if is_plain and run >= 0 and stream == run_stream and run_flags == 0 and fits:
            run_bytes, run_flags = run_bytes + length, flags
            out[run] = _HEADER.pack(run_bytes >> 8, run_bytes & 0xFF, _DATA, flags, stream)
        else:
            run = len(out) if is_plain else -1
            run_stream, run_flags, run_bytes = stream, flags, length
            out.append(data[at : at + HEADER_BYTES])
        out.append(body)
        at += HEADER_BYTES + length
    return b"".join(out), at


try:
    from veneurpy.engine.native.frames import join_frames
except ImportError:  # not compiled here
    join_frames = join_frames_plainly


class FrameJoiner:
    """Takes a connection's bytes as they come and gives them back with runs of DATA joined.

    A frame may have `most_bytes` and is joined to at most `longest_bytes`. What is no whole frame
    yet is kept.
    """

    def __init__(self, *, most_bytes: int, longest_bytes: int, preface_bytes: int = 0) -> None:
        self._most_bytes = most_bytes
        self._longest_bytes = longest_bytes
        self._preface_bytes = preface_bytes
        self._rest = b""

    def join(self, data: bytes) -> bytes:
        """The frames that are whole now. Raises FrameTooLong."""
        preface = data[: self._preface_bytes]
        self._preface_bytes -= len(preface)
        data = self._rest + data[len(preface) :]
        joined, taken = join_frames(data, self._most_bytes, self._longest_bytes)
        self._rest = data[taken:]
        if int.from_bytes(self._rest[:3], "big") > self._most_bytes and len(self._rest) >= 3:
            raise FrameTooLong
        return preface + joined
