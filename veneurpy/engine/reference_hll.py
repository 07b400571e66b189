"""Sets in plain Python: the same numbers, to the last bit, as the native ones.

Exact while small: a set is then its members' 64-bit hashes. Beyond `EXACT_MEMBERS` it is
HyperLogLog registers. What it is worth depends on its distinct hashes only, not on their order or
on how they were split and merged.

Veneur's small sets say less of a member than its hash: a *key*, the first 25 bits and, where the
last 11 of those are 0, how many zeros follow. Once keys came in, all members are what is left of
them then: one hash for each key, so that a member is the same whoever sent it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

EXACT_MEMBERS = 1536
"""Up to here a set is counted, not estimated."""
_PRECISION = 14
_REGISTERS = 1 << _PRECISION
_HIGHEST = 64 - _PRECISION + 1
"""The largest value of a register."""
_MASK = (1 << 64) - 1
_SEED = 1337
_K0, _K1, _K2, _K3 = 0xD6D018F5, 0xA2AA033B, 0x62992FC1, 0x30BC5B29
_HALF_LOG2_INVERSE = 0.7213475204444817
"""1 / (2 ln 2)"""


class ReferenceSet:
    """A set of byte strings that knows how many distinct ones it was given."""

    def __init__(self) -> None:
        self._hashes: set[int] = set()
        self._registers: bytearray | None = None
        self._is_coarse = False

    def __repr__(self) -> str:
        kind = "exact" if self._registers is None else "dense"
        return f"<ReferenceSet {kind} estimate={self.estimate()}>"

    def add(self, member: bytes) -> None:
        """Adds one member."""
        self._add(metro_hash64(member))

    @property
    def registers(self) -> bytes | None:
        """The registers, one byte each; None while the set is exact."""
        return None if self._registers is None else bytes(self._registers)

    @property
    def hashes(self) -> frozenset[int] | None:
        """The members' hashes; None where only their keys, or registers, are known."""
        known = self._registers is None and not self._is_coarse
        return frozenset(self._hashes) if known else None

    @property
    def keys(self) -> list[int]:
        """The members' keys, ascending; none once they are registers."""
        return sorted(set(map(key_of, self._hashes)))

    def merge(self, other: ReferenceSet) -> None:
        """Adds all members of another set, which stays as it is."""
        if other._registers is not None:
            self.add_registers(other._registers)
        elif other._is_coarse:
            self.add_keys(map(key_of, other._hashes))
        else:
            self.add_hashes(other._hashes)

    def add_hashes(self, hashes: Iterable[int]) -> None:
        """Adds members by their hashes."""
        for h in list(hashes):
            self._add(h)

    def add_keys(self, keys: Iterable[int]) -> None:
        """Adds members of which only keys are known."""
        if not self._is_coarse:
            self._is_coarse = True
            self._hashes = set(map(coarse, self._hashes))
        for key in list(keys):
            self._add(hash_of_key(key))

    def add_registers(self, registers: Iterable[int]) -> None:
        """Adds members of which only registers are known."""
        mine = self._to_registers()
        mine[:] = map(max, mine, registers)

    def estimate(self) -> int:
        """How many distinct members were added; beyond `EXACT_MEMBERS` within some 0.8 %."""
        if self._registers is None:
            return len(self._hashes)
        return round(_estimate(self._registers))

    def _add(self, h: int) -> None:
        h = h or 1  # the native table marks a free slot by 0
        if self._registers is not None:
            _raise_register(self._registers, h)
            return
        if self._is_coarse:
            h = coarse(h)
        self._hashes.add(h)
        if len(self._hashes) > EXACT_MEMBERS:
            self._to_registers()

    def _to_registers(self) -> bytearray:
        if self._registers is None:
            self._registers = bytearray(_REGISTERS)
            for h in self._hashes:
                _raise_register(self._registers, h)
            self._hashes.clear()
        return self._registers


def key_of(h: int) -> int:
    """What Veneur's small sets keep of a hash."""
    index = h >> 39
    if index & 0x7FF:
        return index << 1
    zeros = 39 - (h & (1 << 39) - 1).bit_length() + 1
    return index << 7 | zeros << 1 | 1


def hash_of_key(key: int) -> int:
    """A hash that has this key, the same for each. Its low bits are spread: tables go by them."""
    if key & 1:
        zeros = key >> 1 & 63
        return (key >> 7 << 39 | (1 << (39 - zeros) if zeros < 40 else 0)) or 1
    return key >> 1 << 39 | ((key >> 1) * 0x9E3779B97F4A7C15 & _MASK) >> 25


def is_key(key: int) -> bool:
    """Whether any hash has this key."""
    if key & 1:
        return key >> 7 & 0x7FF == 0 and 1 <= key >> 1 & 63 <= 40
    return key >> 1 & 0x7FF != 0 and key >> 26 == 0


def coarse(h: int) -> int:
    """The hash that stands for all of its key."""
    return hash_of_key(key_of(h))


def metro_hash64(data: bytes) -> int:
    """MetroHash64 (variant 1) with seed 1337, as Veneur hashes the members of a set."""
    h = (_SEED + _K2) * _K0 & _MASK
    if len(data) >= 32:
        h = (h + _long_blocks(data, h)) & _MASK
        data = data[len(data) & ~31 :]
    if len(data) >= 16:
        a = _rotate(h + _word(data[:8]) * _K2, 29) * _K3 & _MASK
        b = _rotate(h + _word(data[8:16]) * _K2, 29) * _K3 & _MASK
        a ^= _rotate(a * _K0, 21) + b & _MASK
        b ^= _rotate(b * _K3, 21) + a & _MASK
        h = h + b & _MASK
        data = data[16:]
    for size, by in ((8, 55), (4, 26), (2, 48), (1, 37)):
        if len(data) >= size:
            h = h + _word(data[:size]) * _K3 & _MASK
            h ^= _rotate(h, by) * _K1 & _MASK
            data = data[size:]
    h ^= _rotate(h, 28)
    h = h * _K0 & _MASK
    return h ^ _rotate(h, 29)


def _long_blocks(data: bytes, h: int) -> int:
    a = b = c = d = h
    for at in range(0, len(data) & ~31, 32):
        a = _rotate(a + _word(data[at : at + 8]) * _K0, 29) + c & _MASK
        b = _rotate(b + _word(data[at + 8 : at + 16]) * _K1, 29) + d & _MASK
        c = _rotate(c + _word(data[at + 16 : at + 24]) * _K2, 29) + a & _MASK
        d = _rotate(d + _word(data[at + 24 : at + 32]) * _K3, 29) + b & _MASK
    c ^= _rotate((a + d) * _K0 + b, 37) * _K1 & _MASK
    d ^= _rotate((b + c) * _K1 + a, 37) * _K0 & _MASK
    a ^= _rotate((a + c) * _K0 + d, 37) * _K1 & _MASK
    b ^= _rotate((b + d) * _K1 + c, 37) * _K0 & _MASK
    return a ^ b


def _word(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _rotate(value: int, by: int) -> int:
    value &= _MASK
    return (value >> by | value << (64 - by)) & _MASK


def _raise_register(registers: bytearray, h: int) -> None:
    tail = h << _PRECISION & _MASK | 1 << (_PRECISION - 1)
    rho = 64 - tail.bit_length() + 1
    index = h >> (64 - _PRECISION)
    if registers[index] < rho:
        registers[index] = rho


def _estimate(registers: Iterable[int]) -> float:
    # Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6.
    # The order of the operations is that of the native estimator.
    histogram = [0] * (_HIGHEST + 1)
    for value in registers:
        histogram[value] += 1
    m = float(_REGISTERS)
    z = m * _tau(1.0 - histogram[_HIGHEST] / m)
    for value in range(_HIGHEST - 1, 0, -1):
        z = 0.5 * (z + histogram[value])
    z += m * _sigma(histogram[0] / m)
    return _HALF_LOG2_INVERSE * m * m / z


def _sigma(x: float) -> float:
    """What the empty registers, a share x < 1 of all, add to the harmonic sum."""
    y, z, before = 1.0, x, -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


def _tau(x: float) -> float:
    """What the saturated registers, a share 1 - x of all, add to the harmonic sum."""
    if x in (0.0, 1.0):
        return 0.0
    y, z, before = 1.0, 1.0 - x, -1.0
    while z != before:
        x = sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) * (1.0 - x) * y
    return z / 3.0
