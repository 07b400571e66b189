"""Patterns of single tags, and what series must have been sent with: veneurpy.engine.tag_patterns."""
from veneurpy.engine.native.compat cimport u64
from veneurpy.engine.native.slice cimport Slice

# The numbers of TagMatch.
cdef enum:
    MATCH_GLOB = 0
    MATCH_EXACT = 1
    MATCH_PREFIX = 2
    MATCH_REGEX = 3

# The text belongs to a Python object.
cdef struct TagPattern:
    Slice text
    u64 regex                           # of a regular expression: its bit among verdicts
    int match
    bint of_key                         # a glob that is compared with the tag's key

# Holds for series that were sent with a tag for each of the patterns.
cdef struct Condition:
    const TagPattern* patterns
    int n

# veneurpy.engine.rewriting.Choice
cdef struct Choice:
    TagPattern* patterns                # all of them
    Condition* conditions               # first those that drop
    int n_dropping
    int n

cdef enum:
    MOST_HELD = 63                      # conditions that do not drop


cdef bint fits(const TagPattern* p, Slice tag, u64 verdict) noexcept nogil
cdef u64 choice_held(const Choice* c, Slice tags, u64 verdicts) noexcept nogil
