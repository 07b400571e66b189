"""The owner of a Meter."""

from typing_extensions import disjoint_base

@disjoint_base
class MemoryMeter:
    """A Meter that outlives whatever still has memory that it counts."""
