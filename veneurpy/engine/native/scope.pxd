"""Who merges a series, its host or all hosts' owner: the numbers of engine.types.Scope."""

cdef enum:
    MIXED = 0                           # hosts publish what is theirs, owners what is of all
    LOCAL = 1
    GLOBAL = 2
    SCOPES = 3
