# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""Budgets as the engine's options state them, in C."""
from libc.stdlib cimport calloc, free
from veneurpy.engine.native.compat cimport u8


cdef class CompiledRules:
    """The budgets of an EngineOptions in C, and the Python bytes that they point to."""

    def __cinit__(self, options):
        cdef int i
        cdef bytes prefix
        rules = options.budgets
        self._prefixes = [rule.prefix.encode() for rule in rules]
        self._rules = <Rule*>calloc(len(rules), sizeof(Rule))
        if self._rules == NULL:
            raise MemoryError
        for i, rule in enumerate(rules):
            prefix = self._prefixes[i]
            self._rules[i].prefix.data = <const u8*><const char*>prefix
            self._rules[i].prefix.size = len(prefix)
            self._rules[i].max_series = rule.max_series
            self._rules[i].max_values = rule.max_values
            self._rules[i].watch_from = rule.watch_from
            self._rules[i].on_overflow = int(rule.on_overflow)
        self.budget.rules = self._rules
        self.budget.n = len(rules)

    def __dealloc__(self):
        free(self._rules)
