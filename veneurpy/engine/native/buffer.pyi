"""Native memory as a Python buffer that owns it."""

from typing_extensions import disjoint_base

@disjoint_base
class Buffer:
    """A read-only column, for memoryview(); freed with the last view of it."""
