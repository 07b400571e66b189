# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Taking the tags off a name. What is made is never longer than what it is made of."""
from libc.string cimport memcpy
from veneurpy.engine.native.slice cimport cut, find, next_part


cdef inline u32 _style_of(u8 byte) noexcept nogil:
    """The style whose tags begin with it, brackets apart; 0 for any other byte."""
    if byte == c',':
        return INFLUXDB
    if byte == c'#':
        return LIBRATO
    return GRAPHITE if byte == c';' else 0


cdef Py_ssize_t _first_opener(Slice text, u32 styles) noexcept nogil:
    """Where tags of one of the styles begin, or the size."""
    cdef Py_ssize_t i
    for i in range(text.size):
        if _style_of(text.data[i]) & styles:
            return i
    return text.size


cdef inline bint _has_opener(Slice text, u32 styles) noexcept nogil:
    return _first_opener(text, styles) < text.size


cdef bint _write_tag(Slice slot, Slice* out) noexcept nogil:
    """Appends key:value; False where it is no tag: with a comma it could not be told from two."""
    cdef Py_ssize_t equals = find(slot, c'=')
    cdef u8* at = <u8*>out.data + out.size
    if equals == 0 or equals >= slot.size - 1 or find(slot, c',') < slot.size:
        return False
    if out.size:
        at[0] = c','
        at += 1
        out.size += 1
    memcpy(at, slot.data, <size_t>slot.size)
    at[equals] = c':'
    out.size += slot.size
    return True


cdef void _take_tags(NameParts* out, Slice section, u8 separator, u8* room) noexcept nogil:
    cdef Slice slot
    out.tags.data = room
    out.tags.size = 0
    while section.size >= 0:
        slot = next_part(&section, separator)
        if slot.size and not _write_tag(slot, &out.tags):
            out.bad += 1


cdef NameParts _part_brackets(Slice text, Py_ssize_t start, Py_ssize_t end, u32 styles, u8* room) noexcept nogil:
    cdef NameParts out
    cdef Slice section
    out.name = text
    out.tags = cut(text.data, text.size, 0, 0)
    out.bad = 0
    out.mixed = False
    if start >= end or end == text.size:
        out.bad = 1
        return out
    section = cut(text.data, text.size, start + 1, end)
    # The name is what stands around the brackets.
    memcpy(room, text.data, <size_t>start)
    memcpy(room + start, text.data + end + 1, <size_t>(text.size - end - 1))
    out.name.data = room
    out.name.size = text.size - (end + 1 - start)
    out.mixed = _has_opener(out.name, styles) or _has_opener(section, styles & ~<u32>INFLUXDB)
    _take_tags(&out, section, c',', room + out.name.size)
    return out


cdef NameParts part_name(Slice text, u32 styles, u8* room) noexcept nogil:
    """Takes off the tags of the styles that are on. `room` has as many bytes as the text; the parts may lie in it."""
    cdef NameParts out
    cdef Slice section
    cdef Py_ssize_t at, end
    cdef u32 style
    if styles & SIGNALFX:
        at = find(text, c'[')
        end = find(text, c']')
        if at < text.size or end < text.size:
            return _part_brackets(text, at, end, styles, room)
    at = _first_opener(text, styles)
    out.name = cut(text.data, text.size, 0, at)
    out.tags = cut(text.data, text.size, 0, 0)
    out.bad = 0
    out.mixed = False
    if at == text.size:
        return out
    style = _style_of(text.data[at])
    section = cut(text.data, text.size, at + 1, text.size)
    out.mixed = _has_opener(section, styles & ~(style | <u32>INFLUXDB if style == LIBRATO else style))
    _take_tags(&out, section, c';' if style == GRAPHITE else c',', room)
    return out
