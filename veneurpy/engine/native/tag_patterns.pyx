# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""What regular expressions say of a tag is asked of Python, once for each tag; all else is compared here."""
from veneurpy.engine.native.slice cimport cut, equal, find, next_part
from veneurpy.engine.native.tags cimport next_plain


cdef Py_ssize_t _end_of(Slice piece, Slice text) noexcept nogil:
    """Where the first such piece of the text ends, or -1."""
    cdef Py_ssize_t end
    for end in range(piece.size, text.size + 1):
        if equal(cut(text.data, text.size, end - piece.size, end), piece):
            return end
    return -1


cdef bint _matches(Slice pattern, Slice text) noexcept nogil:
    """Is it the pattern's text, where `*` is any text."""
    cdef Slice piece = next_part(&pattern, c'*')
    cdef Py_ssize_t end
    if pattern.size < 0:
        return equal(piece, text)
    if not equal(cut(text.data, text.size, 0, piece.size), piece):
        return False
    text = cut(text.data, text.size, piece.size, text.size)
    while True:
        piece = next_part(&pattern, c'*')
        if pattern.size < 0:
            return equal(cut(text.data, text.size, text.size - piece.size, text.size), piece)
        end = _end_of(piece, text)
        if end < 0:
            return False
        text = cut(text.data, text.size, end, text.size)


cdef bint fits(const TagPattern* p, Slice tag, u64 verdict) noexcept nogil:
    """Is the tag meant. `verdict`: which regular expressions are found in it."""
    if p.match == MATCH_REGEX:
        return verdict & p.regex != 0
    if p.match == MATCH_EXACT:
        return equal(p.text, tag)
    if p.match == MATCH_PREFIX:
        return equal(cut(tag.data, tag.size, 0, p.text.size), p.text)
    if p.of_key:
        tag = cut(tag.data, tag.size, 0, find(tag, c':'))
    return _matches(p.text, tag)


cdef bint _fits_one_of(const TagPattern* p, Slice tags) noexcept nogil:
    cdef Slice tag
    while next_plain(&tags, &tag):
        if fits(p, tag, 0):
            return True
    return False


cdef bint _holds(const Condition* c, Slice tags, u64 verdicts) noexcept nogil:
    cdef int i
    for i in range(c.n):
        if c.patterns[i].match == MATCH_REGEX:
            if not verdicts & c.patterns[i].regex:
                return False
        elif not _fits_one_of(&c.patterns[i], tags):
            return False
    return True


cdef u64 choice_held(const Choice* c, Slice tags, u64 verdicts) noexcept nogil:
    """Which conditions hold for a series with these tags, as sent, bit by bit; all bits: the series is dropped.

    `verdicts`: those of all its tags together.
    """
    cdef u64 held = 0
    cdef int i
    for i in range(c.n):
        if _holds(&c.conditions[i], tags, verdicts):
            if i < c.n_dropping:
                return ~<u64>0
            held |= <u64>1 << (i - c.n_dropping)
    return held
