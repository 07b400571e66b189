"""What the tags of a line, as sent, say: are they canonical, which scope, is there a magic word.

Tags match a magic word by key: the word alone or followed by ':'.
"""
from libc.string cimport memcmp
from veneurpy.engine.native.compat cimport u8
from veneurpy.engine.native.slice cimport Slice, compare, find, next_part
from veneurpy.engine.native.utf8 cimport is_text

cdef enum:
    # engine.tags.LONGEST_TAGS: with the words that folding adds, an entry's 16 bits still say how long they are.
    LONGEST_TAGS = 65_000
    SINK_WORD = 15                      # "veneursinkonly:"
    FOLDED_BYTES = 20

cdef extern from *:
    """
    #define VNP_FOLDED_TAG "veneurpy.folded:true"
    """
    # The one tag of a series that stands for those a name may not have: engine.types.FOLDED_TAG.
    const char* FOLDED_TAG "VNP_FOLDED_TAG"

cdef enum TagWord:
    PLAIN = 0
    LOCAL_ONLY = 1
    GLOBAL_ONLY = 2
    SINK_ONLY = 3

cdef struct TagFacts:
    bint canonical           # sorted, distinct, no empty tag, no magic word
    bint local
    bint global_
    bint sinks


cdef inline bint may_be_tags(const u8* p, Py_ssize_t n) noexcept nogil:
    """Is it text, and not too long."""
    return n <= LONGEST_TAGS and is_text(p, n)


cdef inline Slice counted_key(Slice tag) noexcept nogil:
    """The key that a tag's value is counted under: what is before the first ':', empty where there is none."""
    cdef Py_ssize_t colon = find(tag, c':')
    tag.size = colon if colon < tag.size else 0
    return tag


cdef inline bint _is_word(Slice tag, const char* word, Py_ssize_t n) noexcept nogil:
    return tag.size >= n and memcmp(tag.data, word, <size_t>n) == 0 and (tag.size == n or tag.data[n] == c':')


cdef inline TagWord tag_word(Slice tag) noexcept nogil:
    if tag.size < 14 or tag.data[0] != c'v':
        return PLAIN
    if _is_word(tag, b"veneurlocalonly", 15):
        return LOCAL_ONLY
    if _is_word(tag, b"veneurglobalonly", 16):
        return GLOBAL_ONLY
    if _is_word(tag, b"veneursinkonly", 14):
        return SINK_ONLY
    return PLAIN


cdef inline bint next_plain(Slice* tags, Slice* tag) noexcept nogil:
    """Takes off tags joined by ',' up to the first that is neither empty nor a magic word; False: there is none."""
    while tags.size >= 0:
        tag[0] = next_part(tags, c',')
        if tag.size and tag_word(tag[0]) == PLAIN:
            return True
    return False


cdef inline TagFacts tag_facts(Slice tags) noexcept nogil:
    """One walk over tags joined by ','. No tags at all are canonical."""
    cdef TagFacts facts
    cdef Slice tag, before
    cdef TagWord word
    cdef bint first = True
    facts.canonical = True
    facts.local = False
    facts.global_ = False
    facts.sinks = False
    if tags.size == 0:
        return facts
    before = tags
    while tags.size >= 0:
        tag = next_part(&tags, c',')
        word = tag_word(tag)
        facts.local = facts.local or word == LOCAL_ONLY
        facts.global_ = facts.global_ or word == GLOBAL_ONLY
        facts.sinks = facts.sinks or word == SINK_ONLY
        if word != PLAIN or tag.size == 0 or (not first and compare(before, tag) >= 0):
            facts.canonical = False
        before = tag
        first = False
    return facts
