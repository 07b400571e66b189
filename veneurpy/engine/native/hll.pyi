from typing_extensions import disjoint_base

def metro_hash64(data: bytes) -> int:
    """MetroHash64 with seed 1337 of some bytes."""

@disjoint_base
class HyperLogLog:
    """A set of byte strings that knows how many distinct ones it was given.

    Exact up to 1536 distinct members, then within some 0.8 % (standard error).
    """

    def __init__(self) -> None: ...
    @property
    def is_exact(self) -> bool:
        """Whether `estimate` is the number of distinct hashes."""

    def add(self, member: bytes) -> None:
        """Adds one member."""

    def add_hash(self, h: int) -> None:
        """Adds a member by its 64-bit hash."""

    def merge(self, other: HyperLogLog) -> None:
        """Adds all members of another set."""

    def estimate(self) -> int:
        """How many distinct members were added."""

    def registers(self) -> bytes:
        """The registers, one byte each; empty while the set is exact."""
