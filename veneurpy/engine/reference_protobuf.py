"""As much of protocol buffers as a batch needs, written out: fields of a message, one by one.

Known fields of another wire type than theirs are passed over like unknown ones; of a field that
comes twice the last counts. Groups are malformed: nobody has sent any for years.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_MASK = (1 << 64) - 1
_LAST_FIELD = (1 << 29) - 1


class Malformed(ValueError):
    """The bytes are no message."""


class Field(NamedTuple):
    """One field as it came: a number for VARINT, else bytes."""

    number: int
    wire: int
    data: bytes
    varint: int = 0


def fields(message: bytes) -> Iterator[Field]:
    """The fields in order. Raises Malformed where the bytes stop making sense."""
    at = 0
    while at < len(message):
        tag, at = read_varint(message, at)
        number, wire = tag >> 3, tag & 7
        if not 1 <= number <= _LAST_FIELD:
            raise Malformed(f"field {number}")
        if wire == VARINT:
            value, at = read_varint(message, at)
            yield Field(number, wire, b"", value)
            continue
        if wire == BYTES:
            size, at = read_varint(message, at)
        elif wire in (FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
        else:
            raise Malformed(f"wire type {wire}")
        if size > len(message) - at:
            raise Malformed("cut short")
        yield Field(number, wire, message[at : at + size])
        at += size


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """(value, where it ends) of a number of up to 64 bits."""
    value = 0
    for i in range(10):
        if at >= len(data):
            raise Malformed("cut short")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if value > _MASK:
                break
            return value, at
    raise Malformed("a number of more than 64 bits")


def signed(value: int) -> int:
    """An int64 that came as a varint."""
    return value - (1 << 64) if value >> 63 else value


def as_double(data: bytes) -> float:
    """The number of a FIXED64 field."""
    return float(struct.unpack("<d", data)[0])


def varint(value: int) -> bytes:
    """The bytes of a number; negative ones as int64."""
    value &= _MASK
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def varint_field(number: int, value: int) -> bytes:
    """Nothing for 0, which is what a missing field means."""
    return varint(number << 3 | VARINT) + varint(value) if value else b""


def double_field(number: int, value: float) -> bytes:
    """Nothing for 0."""
    return varint(number << 3 | FIXED64) + struct.pack("<d", value) if value else b""


def bytes_field(number: int, data: bytes) -> bytes:
    """Also where it is empty."""
    return varint(number << 3 | BYTES) + varint(len(data)) + data
