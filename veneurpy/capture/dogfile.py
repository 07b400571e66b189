"""Datadog's capture files (`.dog`), as the Agent's DogStatsD writes and replays them.

    D4 74 D0 60  F3  FF 00 00       the header; the low half of the fifth byte is the version
    { u32 size | UnixDogstatsdMsg } …
    u32 0
    TaggerState | u32 its size      from version 2 on

Numbers are little-endian, messages are protocol buffers. Times are nanoseconds from version 3 on,
seconds before. The whole file may be compressed with zstd.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from veneurpy.engine.reference_protobuf import VARINT, Malformed, fields, signed
from veneurpy.engine.reference_protobuf import varint as encode_varint
from veneurpy.errors import VeneurpyError

VERSION = 3
HEADER = bytes((0xD4, 0x74, 0xD0, 0x60, 0xF0 | VERSION, 0xFF, 0x00, 0x00))
LARGEST_MESSAGE = 16 << 20
"""A longer one is a sign of damage: datagrams end at 64 KiB."""

_VERSION_AT = 4
_FIRST_WITH_STATE = 2
_FIRST_IN_NANOSECONDS = 3
_NS_PER_S = 1_000_000_000
_NO_TIME = 1 << 62
"""In nanoseconds: more than a hundred years from now."""
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_MISSED_FIELD = 1000
"""Of ours, in TaggerState, where the Agent passes over it: bytes that were lost to the capture."""
_U32 = struct.Struct("<I")
_CUT = "it is cut short"


class CaptureError(VeneurpyError):
    """A capture cannot be taken, read or sent; the text says why."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """What was received at once: a datagram, or whole lines of a stream."""

    time_ns: int
    """CLOCK_REALTIME."""
    payload: bytes
    pid: int = 0
    """Of the sender on a Unix socket, where that is known."""


def encode_datagram(time_ns: int, payload: bytes, pid: int = 0) -> bytes:
    """One message with its size before it."""
    size = encode_varint(len(payload))
    message = b"\x08%b\x10%b\x1a%b%b" % (encode_varint(time_ns), size, size, payload)
    if pid:
        message += b"\x20" + encode_varint(pid)
    return _U32.pack(len(message)) + message


def encode_end(missed_bytes: int = 0) -> bytes:
    """What ends a file: a state without tags of containers."""
    state = b""
    if missed_bytes:
        state = encode_varint(_MISSED_FIELD << 3 | VARINT) + encode_varint(missed_bytes)
    return _U32.pack(0) + state + _U32.pack(len(state))


class CaptureFile:
    """Reads a file from its beginning to its end, once."""

    def __init__(self, path: Path) -> None:
        """Raises CaptureError where it is none."""
        self._path = path
        self.missed_bytes = 0
        """What was received and overwritten before it could be written. Known at the end."""
        self._read = 0
        try:
            self._file = _opened(path)
        except OSError as exc:
            raise CaptureError(f"{path} cannot be read: {exc.strerror or exc}") from exc
        try:
            self.version = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __repr__(self) -> str:
        return f"CaptureFile({str(self._path)!r}, version={self.version}, read={self._read})"

    def __enter__(self) -> CaptureFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None
    ) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Datagram]:
        """The datagrams in order. Raises CaptureError where the file is damaged."""
        while size := self._size():
            if size > LARGEST_MESSAGE:
                raise self._damaged(f"a message of {size} bytes")
            yield self._datagram(self._bytes(size))
            self._read += 1

    def _datagram(self, message: bytes) -> Datagram:
        time, size, payload, pid = 0, 0, b"", 0
        try:
            for field in fields(message):
                match field.number, field.wire:
                    case 1, 0:
                        time = signed(field.varint)
                    case 2, 0:
                        size = signed(field.varint)
                    case 3, 2:
                        payload = field.data
                    case 4, 0:
                        pid = signed(field.varint)
        except Malformed as exc:
            raise self._damaged(f"a message that is none: {exc}") from exc
        if 0 < size < len(payload):
            payload = payload[:size]
        time *= 1 if self.version >= _FIRST_IN_NANOSECONDS else _NS_PER_S
        if not 0 <= time < _NO_TIME:
            raise self._damaged("a time that is none")
        return Datagram(time, payload, pid)

    def _size(self) -> int:
        """Of the next message; 0 at the end."""
        head = self._some(_U32.size)
        if not head and self.version < _FIRST_WITH_STATE:
            return 0
        if len(head) < _U32.size:
            raise self._damaged(_CUT)
        size = int(_U32.unpack(head)[0])
        if size == 0 and self.version >= _FIRST_WITH_STATE:
            self._read_state()
        return size

    def _read_state(self) -> None:
        rest = self._some(LARGEST_MESSAGE)
        state = rest[: -_U32.size]
        if len(rest) < _U32.size or _U32.unpack(rest[-_U32.size :])[0] != len(state):
            raise self._damaged(_CUT)
        try:
            for field in fields(state):
                if (field.number, field.wire) == (_MISSED_FIELD, VARINT):
                    self.missed_bytes = field.varint
        except Malformed as exc:
            raise self._damaged(f"a state that is none: {exc}") from exc

    def _read_header(self) -> int:
        header = self._some(len(HEADER))
        version = header[_VERSION_AT] ^ 0xF0 if len(header) == len(HEADER) else 0
        expected = bytearray(HEADER)
        expected[_VERSION_AT] = 0xF0 | version
        if header != expected:
            raise CaptureError(
                f"{self._path} is no capture: expected a .dog file of `veneurpy capture` or of the "
                "Datadog Agent"
            )
        if version > VERSION:
            raise CaptureError(
                f"{self._path} is a capture of version {version}: up to {VERSION} is understood"
            )
        return version

    def _bytes(self, size: int) -> bytes:
        data = self._some(size)
        if len(data) < size:
            raise self._damaged(_CUT)
        return data

    def _some(self, size: int) -> bytes:
        """At most so many bytes; fewer only at the end of the file."""
        try:
            return self._file.read(size)
        except OSError as exc:
            raise self._damaged(str(exc)) from exc

    def _damaged(self, why: str) -> CaptureError:
        return CaptureError(f"{self._path} is damaged after {self._read} datagrams: {why}")


def _opened(path: Path) -> IO[bytes]:
    """What is in the file, whether it is compressed or not. Raises OSError."""
    opened = path.open("rb")
    try:
        # A pipe cannot be read twice.
        if not opened.peek(len(_ZSTD_MAGIC)).startswith(_ZSTD_MAGIC):
            return opened
    except BaseException:
        opened.close()
        raise
    from veneurpy.capture.packing import unpacking  # few need the library

    return unpacking(opened)
