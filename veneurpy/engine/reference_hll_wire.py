"""Sets as Veneur writes them: the bytes of `SetValue.hyper_log_log`.

    01 version | 0e precision | base | 01 sparse, 00 dense
    sparse: u32be n, n x u32be keys | u32be count, u32be last key, u32be n, n bytes of LEB128
    dense:  u32be 8192 | 8192 bytes of two registers each, the even one in the high half

The numbers after the keys are the differences of a second list of keys, ascending. A dense register
of 4 bits is what exceeds the base, at most 15.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import NamedTuple

from veneurpy.engine.reference_hll import is_key
from veneurpy.engine.reference_protobuf import varint

PRECISION = 14
REGISTERS = 1 << PRECISION
HIGHEST = 64 - PRECISION + 1
_VERSION = 1
_HALF = REGISTERS // 2
_LARGEST = 15


class BadSet(ValueError):
    """The bytes are no set."""


class HllSet(NamedTuple):
    """A set as it came; one of the two is empty."""

    keys: list[int]
    registers: bytes


def sparse_bytes(keys: Iterable[int]) -> bytes:
    """The bytes of a small set, all keys in the sorted list."""
    ascending = sorted(set(keys))
    deltas = b"".join(
        varint(key - before) for before, key in zip([0, *ascending], ascending, strict=False)
    )
    last = ascending[-1] if ascending else 0
    head = bytes([_VERSION, PRECISION, 0, 1]) + struct.pack(">I", 0)
    return head + struct.pack(">III", len(ascending), last, len(deltas)) + deltas


def base_of(registers: bytes) -> int:
    """What is taken off every register: nothing, unless one needs more than 4 bits."""
    return min(registers) if max(registers) > _LARGEST else 0


def dense_bytes(registers: bytes) -> bytes:
    """The bytes of a large set; registers above base + 15 are cut to that."""
    base = base_of(registers)
    small = [min(value - base, _LARGEST) for value in registers]
    pairs = bytes(high << 4 | low for high, low in zip(small[::2], small[1::2], strict=True))
    return bytes([_VERSION, PRECISION, base, 0]) + struct.pack(">I", _HALF) + pairs


def excess(registers: bytes) -> list[int]:
    """What `dense_bytes` cuts off: register << 8 | value, ascending."""
    most = base_of(registers) + _LARGEST
    return [i << 8 | value for i, value in enumerate(registers) if value > most]


def read_set(data: bytes) -> HllSet:
    """Reads either kind; raises BadSet where the bytes are none, or of another precision."""
    if len(data) < 8 or data[1] != PRECISION or data[3] > 1:
        raise BadSet("head")
    if data[3]:
        return HllSet(_read_keys(data), b"")
    base, (size,) = data[2], struct.unpack_from(">I", data, 4)
    if base > HIGHEST or size != _HALF or len(data) != 8 + _HALF:
        raise BadSet("size")
    registers = bytes(base + half for byte in data[8:] for half in (byte >> 4, byte & 15))
    if max(registers) > HIGHEST:
        raise BadSet("register")
    return HllSet([], registers)


def _read_keys(data: bytes) -> list[int]:
    (n,) = struct.unpack_from(">I", data, 4)
    if n > (len(data) - 20) // 4:
        raise BadSet("size")
    keys = list(struct.unpack_from(f">{n}I", data, 8))
    at = 8 + 4 * n
    if struct.unpack_from(">I", data, at + 8)[0] != len(data) - at - 12:
        raise BadSet("size")
    keys += _read_deltas(data[at + 12 :])
    if not all(map(is_key, keys)):
        raise BadSet("key")
    return keys


def _read_deltas(data: bytes) -> list[int]:
    keys = []
    key = value = shift = 0
    for byte in data:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            key += value
            keys.append(key)
            value = shift = 0
        if shift > 28 or key >> 32:
            raise BadSet("delta")
    if shift:
        raise BadSet("delta")
    return keys
