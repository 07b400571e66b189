"""Runs of small DATA frames joined to one, before HTTP/2's state machine sees them.

grpc-go puts each message of a stream into a DATA frame of its own, and h2 takes some 50 µs for a
frame. Joining frames changes nothing that HTTP/2 counts: not the bytes, their order, or their share
of the flow control windows.

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


class FrameJoiner:
    """Takes a connection's bytes as they come and gives them back with runs of DATA joined.

    What is not a whole frame yet is kept, at most one frame of `longest_bytes`.
    """

    def __init__(self, *, preface_bytes: int = 0) -> None:
        self._rest = b""
        self._preface_bytes = preface_bytes

    def join(self, data: bytes, longest_bytes: int) -> list[bytes]:
        """The whole frames, in pieces; no joined frame is longer than `longest_bytes`."""
        if self._rest:
            data = self._rest + data
        at, end, out = 0, len(data), []
        if self._preface_bytes:
            at = min(self._preface_bytes, end)
            self._preface_bytes -= at
            out.append(data[:at])
        while end - at >= HEADER_BYTES:
            high, low, kind, flags, stream = _HEADER.unpack_from(data, at)
            length = high << 8 | low
            if length > longest_bytes:  # h2 sees its header and refuses it
                out.append(data[at:])
                at = end
                break
            if at + HEADER_BYTES + length > end:
                break
            if kind == _DATA and flags == 0:
                at = _join_run(data, at, stream, longest_bytes, out)
            else:
                out.append(data[at : at + HEADER_BYTES + length])
                at += HEADER_BYTES + length
        self._rest = data[at:]
        return out


def _join_run(data: bytes, at: int, stream: int, longest: int, out: list[bytes]) -> int:
    """Joins the DATA frames of `stream` that begin at `at`; returns where the next frame begins."""
    end, total, parts, last_flags = len(data), 0, [], 0
    while end - at >= HEADER_BYTES:
        high, low, kind, flags, of_stream = _HEADER.unpack_from(data, at)
        after = at + HEADER_BYTES + (length := high << 8 | low)
        joins = kind == _DATA and of_stream == stream and flags & ~_END_STREAM == 0
        if not joins or after > end or total + length > longest:
            break
        parts.append(data[at + HEADER_BYTES : after])
        at, total = after, total + length
        if flags:
            last_flags = flags
            break
    out.append(_HEADER.pack(total >> 8, total & 0xFF, _DATA, last_flags, stream))
    out += parts
    return at
