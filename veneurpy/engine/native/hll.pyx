# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
# cython: initializedcheck=False
"""Sets: exact while small, HyperLogLog beyond (see the header for the contract)."""

from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.math cimport sqrt
from libc.string cimport memset


cdef void hll_exact_rehash(
    const uint64_t* old, uint32_t n_old, uint64_t* new, uint32_t n_new
) noexcept nogil:
    cdef uint32_t i
    for i in range(n_old):
        if old[i] != 0:
            hll_exact_insert(new, n_new, old[i])


cdef void hll_dense_from_exact(
    const uint64_t* slots, uint32_t n_slots, uint8_t* registers
) noexcept nogil:
    cdef uint32_t i
    for i in range(n_slots):
        if slots[i] != 0:
            hll_dense_add(registers, slots[i])


cdef void hll_dense_merge(uint8_t* into, const uint8_t* registers) noexcept nogil:
    cdef Py_ssize_t i
    for i in range(HLL_REGISTERS):
        into[i] = into[i] if into[i] > registers[i] else registers[i]


cdef double _sigma(double x) noexcept nogil:
    """What the empty registers, a share x < 1 of all, add to the harmonic sum."""
    cdef double y = 1.0, z = x, before = -1.0
    while z != before:
        x *= x
        before = z
        z += x * y
        y += y
    return z


cdef double _tau(double x) noexcept nogil:
    """What the saturated registers, a share 1 - x of all, add to the harmonic sum."""
    cdef double y = 1.0, z = 1.0 - x, before = -1.0
    if x == 0.0 or x == 1.0:
        return 0.0
    while z != before:
        x = sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) * (1.0 - x) * y
    return z / 3.0


cdef double hll_dense_estimate(const uint8_t* registers) noexcept nogil:
    # Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017), algorithm 6:
    # one formula from empty to saturated, without the tables and thresholds of HyperLogLog++.
    cdef uint32_t histogram[64]
    cdef double m = HLL_REGISTERS
    cdef int highest = 64 - HLL_PRECISION + 1
    cdef double z
    cdef Py_ssize_t i
    cdef int k
    memset(histogram, 0, sizeof(histogram))
    for i in range(HLL_REGISTERS):
        histogram[registers[i] & 63] += 1
    if histogram[0] == HLL_REGISTERS:
        return 0.0
    z = m * _tau(1.0 - histogram[highest] / m)
    for k in range(highest - 1, 0, -1):
        z = 0.5 * (z + histogram[k])
    # Never 0: the hash that would fill the first register to the last counts as 1.
    z += m * _sigma(histogram[0] / m)
    return 0.7213475204444817 * m * m / z  # 1 / (2 ln 2)


def metro_hash64(data: bytes) -> int:
    """MetroHash64 with seed 1337 of some bytes."""
    return metrohash64(<const uint8_t*>(<const char*>data), len(data))


cdef class HyperLogLog:
    """A set of byte strings that knows how many distinct ones it was given.

    Exact up to `HLL_EXACT_MAX` distinct members, then within some 0.8 % (standard error).
    """

    cdef uint64_t* _slots
    cdef uint32_t _n_slots
    cdef uint32_t _n_members
    cdef uint8_t* _registers

    def __cinit__(self) -> None:
        self._n_slots = HLL_MIN_SLOTS
        self._slots = <uint64_t*>PyMem_Calloc(HLL_MIN_SLOTS, sizeof(uint64_t))
        if self._slots == NULL:
            raise MemoryError

    def __dealloc__(self) -> None:
        PyMem_Free(self._slots)
        PyMem_Free(self._registers)

    def __repr__(self) -> str:
        kind = "exact" if self.is_exact else "dense"
        return f"<HyperLogLog {kind} estimate={self.estimate()}>"

    @property
    def is_exact(self) -> bool:
        """Whether `estimate` is the number of distinct hashes."""
        return self._registers == NULL

    def add(self, member: bytes) -> None:
        """Adds one member."""
        self._add(metrohash64(<const uint8_t*>(<const char*>member), len(member)))

    def add_hash(self, h: int) -> None:
        """Adds a member by its 64-bit hash."""
        self._add(h)

    def merge(self, other: HyperLogLog) -> None:
        """Adds all members of another set."""
        cdef uint32_t i
        if other._registers != NULL:
            self._to_dense()
            hll_dense_merge(self._registers, other._registers)
            return
        if other is self:
            return
        for i in range(other._n_slots):
            if other._slots[i] != 0:
                self._add(other._slots[i])

    def estimate(self) -> int:
        """How many distinct members were added."""
        if self._registers == NULL:
            return self._n_members
        return round(hll_dense_estimate(self._registers))

    def registers(self) -> bytes:
        """The registers, one byte each; empty while the set is exact."""
        if self._registers == NULL:
            return b""
        return (<const char*>self._registers)[:HLL_REGISTERS]

    cdef int _add(self, uint64_t h) except -1:
        if self._registers != NULL:
            hll_dense_add(self._registers, h)
            return 0
        if hll_exact_insert(self._slots, self._n_slots, h) == 0:
            return 0
        self._n_members += 1
        if self._n_members > HLL_EXACT_MAX:
            self._to_dense()
        elif self._n_members == hll_exact_limit(self._n_slots) and self._n_slots < HLL_MAX_SLOTS:
            self._grow()
        return 0

    cdef int _grow(self) except -1:
        cdef uint32_t n_new = self._n_slots * 2
        cdef uint64_t* new = <uint64_t*>PyMem_Calloc(n_new, sizeof(uint64_t))
        if new == NULL:
            raise MemoryError
        hll_exact_rehash(self._slots, self._n_slots, new, n_new)
        PyMem_Free(self._slots)
        self._slots = new
        self._n_slots = n_new
        return 0

    cdef int _to_dense(self) except -1:
        if self._registers != NULL:
            return 0
        self._registers = <uint8_t*>PyMem_Calloc(HLL_REGISTERS, 1)
        if self._registers == NULL:
            raise MemoryError
        hll_dense_from_exact(self._slots, self._n_slots, self._registers)
        PyMem_Free(self._slots)
        self._slots = NULL
        return 0
