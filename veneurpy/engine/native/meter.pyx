# cython: language_level=3, auto_pickle=False
"""The owner of a Meter."""


cdef class MemoryMeter:
    """A Meter that outlives whatever still has memory that it counts."""
