# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The grammar of a metric line, drawn on one:

    page.views:1:2|c|@0.5|#env:prod,host:a|T1700000000
    ^         ^   ^ ^
    start     |   | end of the type, fields follow
              |   end of the values
              colon

A datagram is scanned once; then each line is walked from end to end of its fields. What decides whether a known
series counts is parsed here; name and tags are looked at byte by byte only when the spelling is new (store.pyx).
"""
from libc.stdlib cimport free, malloc
from libc.string cimport memcmp, memcpy, memset
from veneurpy.engine.native.arena cimport (
    BAD_NAME, BAD_RATE, BAD_TAGS, BAD_TYPE, BAD_VALUE, COUNTER, GAUGE, HISTOGRAM, MIXED_STYLES, NO_COLON_OR_PIPE,
    SERIES_TYPES, SET, SIDE_LOG_FULL, TIMER, Arena, Counters,
)
from veneurpy.engine.native.changes cimport changes_take
from veneurpy.engine.native.compat cimport i64, likely, prefetch, u8, u32, u64, unlikely
from veneurpy.engine.native.hash cimport HashKey, hash_bytes, hash_mark, hash_tags, timestamp_mark
from veneurpy.engine.native.hll cimport metrohash64
from veneurpy.engine.native.name_tags cimport NameParts, part_name
from veneurpy.engine.native.number cimport LARGEST_VALUE, parse_brief, parse_integer, parse_number
from veneurpy.engine.native.scan cimport Ends, first_ends, next_colon, next_end, scan, scan_words
from veneurpy.engine.native.slice cimport Slice
from veneurpy.engine.native.store cimport GROUP, Group, Item, Store, store_apply, store_log_side, timestamps_admit
from veneurpy.engine.native.table cimport table_home
from veneurpy.engine.native.tags cimport TagFacts, may_be_tags, tag_facts
from veneurpy.engine.native.utf8 cimport is_text

cdef enum:
    NO_TYPE = 255
    PARTED_BYTES = 64 * GROUP           # for parted names of a usual length, beside one that is as long as can be

# No sample stands for more.
cdef double LARGEST_WEIGHT = 1e18


cdef bint parser_open(Parser* p, Store* store, const HashKey* key, Py_ssize_t max_bytes,
                      i64 interval_ms, i64 late_ms, u32 name_tags, bint is_statsd) noexcept nogil:
    """False when there is no memory."""
    cdef u64 i
    memset(p, 0, sizeof(Parser))
    p.store = store
    p.key = key[0]
    p.max_bytes = max_bytes
    p.interval_ms = interval_ms
    p.late_ms = late_ms
    p.marks.capacity = max_bytes
    p.marks.colons = <u64*>malloc(8 * scan_words(max_bytes))
    p.marks.ends = <u64*>malloc(8 * scan_words(max_bytes))
    p.scratch = <char*>malloc(max_bytes + 1)
    for i in range(SERIES_TYPES):
        p.type_marks[i] = hash_mark(key, i)
    # A group keeps some values a line; one packed line has at most a value for every two bytes.
    p.values_limit = 8 * GROUP
    p.group.values = <double*>malloc(8 * <size_t>(p.values_limit + max_bytes // 2 + 1))
    p.is_statsd = is_statsd
    p.changing = GAUGE if is_statsd else NO_TYPE
    if is_statsd:
        p.group.changes = <u8*>malloc(<size_t>(p.values_limit + max_bytes // 2 + 1))
        if p.group.changes == NULL:
            return False
    p.name_tags = name_tags
    if name_tags:
        p.parted_room = PARTED_BYTES + max_bytes
        p.parted = <u8*>malloc(<size_t>p.parted_room)
        if p.parted == NULL:
            return False
    return p.marks.colons != NULL and p.marks.ends != NULL and p.scratch != NULL and p.group.values != NULL


cdef void parser_close(Parser* p) noexcept nogil:
    free(p.marks.colons)
    free(p.marks.ends)
    free(p.scratch)
    free(p.group.values)
    free(p.group.changes)
    free(p.parted)
    memset(p, 0, sizeof(Parser))


cdef void parser_flush(Parser* p) noexcept nogil:
    """Applies what waits in the group. To be called before the bytes that it points to go away."""
    if p.group.n:
        store_apply(p.store, &p.group, p.now_ns)
    p.parted_used = 0


cdef inline Counters* _counters(Parser* p) noexcept nogil:
    return &p.store.arena.header.counters


cdef void _reject(Parser* p, int reason, Slice name, Slice tags) noexcept nogil:
    """Counts a line out, by the first reason in the order of checks."""
    if reason > BAD_NAME and (name.size == 0 or not is_text(name.data, name.size)):
        reason = BAD_NAME
    elif reason > BAD_TAGS and not may_be_tags(tags.data, tags.size):
        reason = BAD_TAGS
    _counters(p).rejected[reason] += 1


cdef inline u8 _type_of(const u8* t, Py_ssize_t size) noexcept nogil:
    if size == 1:
        if t[0] == c'c':
            return COUNTER
        if t[0] == c'g':
            return GAUGE
        if t[0] == c'h' or t[0] == c'd':
            return HISTOGRAM
        if t[0] == c's':
            return SET
    elif size == 2 and t[0] == c'm' and t[1] == c's':
        return TIMER
    return NO_TYPE


cdef u8 _statsd_type_of(const Parser* p, const u8* t, Py_ssize_t size) noexcept nogil:
    """What plain StatsD has besides: a meter counts."""
    return COUNTER if p.is_statsd and size == 1 and t[0] == c'm' else NO_TYPE


cdef inline bint _parse_rate(Parser* p, const u8* field, Py_ssize_t size, double* rate) noexcept nogil:
    if not parse_number(field, size, p.scratch, rate):
        return False
    return 0.0 < rate[0] <= 1.0 and 1.0 / rate[0] <= LARGEST_WEIGHT


cdef inline bint _is_known_field(const u8* field, Py_ssize_t size) noexcept nogil:
    """Container id, external data, cardinality: what official clients send today."""
    if size >= 2 and field[1] == c':' and (field[0] == c'c' or field[0] == c'e'):
        return True
    return size >= 5 and memcmp(field, b"card:", 5) == 0


cdef void _admit_timestamp(Parser* p, Item* it, Slice text) noexcept nogil:
    """Gives the item its own T, or counts the field as ignored and leaves the sample to the open interval.

    The set of an interval's T belongs to accepted lines only: the caller has seen name, tags and values.
    """
    cdef i64 t = 0, now_ms = p.now_ns // 1000000
    cdef Slice tags
    cdef TagFacts facts
    tags.data = it.tags
    tags.size = it.tags_len
    facts = tag_facts(tags)
    it.bad_timestamp = 1
    if it.type != COUNTER and it.type != GAUGE:
        return
    # A change is one of what the gauge is now.
    if it.type == GAUGE and it.changes != NULL:
        return
    if facts.global_ and not facts.local:
        return
    if not parse_integer(text.data, text.size, &t) or t < 1 or t > (<i64>1 << 52):
        return
    if t * 1000 > now_ms + p.interval_ms or t * 1000 < now_ms - p.late_ms:
        return
    if not timestamps_admit(&p.store.timestamps, t):
        return
    it.bad_timestamp = 0
    it.has_timestamp = 1
    it.timestamp = t


cdef inline void _keep_value(Group* g, Item* it, double v) noexcept nogil:
    g.values[g.n_values] = v
    g.n_values += 1
    it.n += 1


cdef void _take_value(Parser* p, Item* it, const u8* text, Py_ssize_t size) noexcept nogil:
    cdef double v
    if not parse_number(text, size, p.scratch, &v) or not -LARGEST_VALUE <= v <= LARGEST_VALUE:
        it.bad += 1
        return
    if it.rate != 1.0 and it.type != GAUGE and not -LARGEST_VALUE <= v / it.rate <= LARGEST_VALUE:
        it.bad += 1
        return
    _keep_value(&p.group, it, v)


cdef inline void _take_values(Parser* p, Item* it, const u8* data, Py_ssize_t at, Py_ssize_t end) noexcept nogil:
    """Numbers between `at` and `end`, packed by colons; a set's member is all of it."""
    cdef Py_ssize_t colon
    cdef u64 member
    cdef double v
    if it.type == SET:
        if at < end:
            member = metrohash64(data + at, <size_t>(end - at))
            memcpy(&v, &member, 8)
            _keep_value(&p.group, it, v)
        return
    if unlikely(it.type == p.changing):
        changes_take(&p.group, it, &p.marks, p.scratch, data, at, end)
        return
    # One number of a few digits is what clients send most. It is far from the bounds of values.
    if likely(end >= 8 and parse_brief(data + end, end - at, &v)):
        _keep_value(&p.group, it, v)
        return
    while at <= end:
        colon = next_colon(&p.marks, at, end)
        if colon > at:
            _take_value(p, it, data + at, colon - at)
        at = colon + 1


cdef inline void _finish(Parser* p, Item* it) noexcept nogil:
    """Hashes the spelling and leaves the item to the group."""
    cdef u64 h
    cdef Arena* a = p.store.arena
    cdef Group* g = &p.group
    it.name_hash = hash_bytes(&p.key, it.name, it.name_len, 0)
    h = hash_tags(&p.key, it.name_hash, it.tags, it.tags_len)
    h ^= p.type_marks[it.type]
    if it.has_timestamp:
        h ^= timestamp_mark(&p.key, it.timestamp)
    it.hash = h
    prefetch(&a.table.slots[table_home(h, a.table.bits)])
    g.n += 1
    # One more line must find room for all its values.
    if g.n == GROUP or g.n_values > p.values_limit:
        store_apply(p.store, g, p.now_ns)
        p.parted_used = 0


# What the fields after the type said, beside what goes straight into the item.
cdef struct Fields:
    Slice tags
    Slice timestamp
    bint has_timestamp
    bint bad_rate
    NameParts parts                     # where names are looked at for tags


cdef inline bint _ends_line(const u8* data, Py_ssize_t size, Py_ssize_t end) noexcept nogil:
    return end == size or data[end] == c'\n'


cdef inline Py_ssize_t _without_cr(const u8* data, Py_ssize_t start, Py_ssize_t end) noexcept nogil:
    """Where a line's last field ends: one CR before the LF is not part of it."""
    return end - 1 if end > start and data[end - 1] == c'\r' else end


cdef inline Py_ssize_t _line_end(Ends* ends, const u8* data, Py_ssize_t size, Py_ssize_t end) noexcept nogil:
    """The LF, or the size, at or after an end of a field."""
    while not _ends_line(data, size, end):
        end = next_end(ends)
    return end


cdef inline void _take_field(Parser* p, Item* it, Fields* f, const u8* data, Py_ssize_t at, Py_ssize_t end
                             ) noexcept nogil:
    """One field, data[at:end]. Of repeated ones the last counts; every rate must be one."""
    if at == end:
        it.unknown += 1
    elif data[at] == c'#':
        f.tags.data = data + at + 1
        f.tags.size = end - at - 1
    elif data[at] == c'@':
        f.bad_rate = not _parse_rate(p, data + at + 1, end - at - 1, &it.rate) or f.bad_rate
    elif data[at] == c'T':
        f.has_timestamp = True
        f.timestamp.data = data + at + 1
        f.timestamp.size = end - at - 1
    elif not _is_known_field(data + at, end - at):
        it.unknown += 1


cdef inline void _accept(Parser* p, Item* it, Slice name, Fields* f) noexcept nogil:
    """A line whose type, rate and values are good."""
    it.name = name.data
    it.name_len = <u32>name.size
    it.tags = f.tags.data
    it.tags_len = <u32>f.tags.size
    it.has_timestamp = 0
    it.bad_timestamp = 0
    if unlikely(f.has_timestamp):
        if name.size == 0 or not is_text(name.data, name.size) or not may_be_tags(f.tags.data, f.tags.size):
            p.group.n_values = it.first
            _reject(p, BAD_VALUE, name, f.tags)
            return
        _admit_timestamp(p, it, f.timestamp)
    _finish(p, it)


cdef void _part_name(Parser* p, Slice* name, NameParts* parts) noexcept nogil:
    """Takes the tags off the name. Applies the group if its parted names leave no room for one more."""
    if p.parted_room - p.parted_used < name.size:
        parser_flush(p)
    parts[0] = part_name(name[0], p.name_tags, p.parted + p.parted_used)
    if parts.name.data != name.data or parts.tags.size:
        p.parted_used += name.size
    name[0] = parts.name


cdef bint _take_name_tags(Parser* p, Item* it, Slice name, Fields* f) noexcept nogil:
    """The name's tags are the line's; False, and the line counted out, where it has others too."""
    it.bad_name_tags = f.parts.bad
    if f.parts.mixed or (f.parts.tags.size and f.tags.size):
        _reject(p, MIXED_STYLES, name, f.tags)
        return False
    if f.parts.tags.size:
        f.tags = f.parts.tags
    return True


cdef inline Py_ssize_t _parse_metric(Parser* p, const u8* data, Py_ssize_t start, Py_ssize_t first_end, Ends* ends
                                     ) noexcept nogil:
    """A line that starts at `start` and whose first '|' is at `first_end`; returns where it ends (LF or size)."""
    cdef Py_ssize_t size = p.marks.size
    cdef Group* g = &p.group
    cdef Item* it
    cdef Py_ssize_t colon = next_colon(&p.marks, start, first_end), at, end
    cdef Slice name
    cdef Fields f
    cdef bint last
    if unlikely(colon == first_end):
        _counters(p).rejected[NO_COLON_OR_PIPE] += 1
        return _line_end(ends, data, size, first_end)
    name.data = data + start
    name.size = colon - start
    if unlikely(p.name_tags != 0):
        _part_name(p, &name, &f.parts)
    it = &g.items[g.n]
    f.tags.data = data
    f.tags.size = 0
    f.has_timestamp = False
    f.bad_rate = False
    it.rate = 1.0
    it.unknown = 0
    at = first_end + 1
    end = next_end(ends)
    last = _ends_line(data, size, end)
    it.type = _type_of(data + at, (_without_cr(data, at, end) if last else end) - at)
    if unlikely(it.type == NO_TYPE):
        it.type = _statsd_type_of(p, data + at, (_without_cr(data, at, end) if last else end) - at)
        if it.type == NO_TYPE:
            _reject(p, BAD_TYPE, name, f.tags)
            return _line_end(ends, data, size, end)
    while not last:
        at = end + 1
        end = next_end(ends)
        last = _ends_line(data, size, end)
        _take_field(p, it, &f, data, at, _without_cr(data, at, end) if last else end)
    if unlikely(f.bad_rate):
        _reject(p, BAD_RATE, name, f.tags)
        return end
    if unlikely(p.name_tags != 0) and not _take_name_tags(p, it, name, &f):
        return end
    it.first = g.n_values
    it.n = 0
    it.bad = 0
    _take_values(p, it, data, colon + 1, first_end)
    if unlikely(it.n == 0):
        _reject(p, BAD_VALUE, name, f.tags)
    else:
        _accept(p, it, name, &f)
    return end


cdef inline bint _is_side_line(const u8* line, Py_ssize_t size) noexcept nogil:
    return size >= 3 and line[0] == c'_' and (
        (line[1] == c'e' and line[2] == c'{')
        or (size >= 4 and line[1] == c's' and line[2] == c'c' and line[3] == c'|'))


cdef void _take_side_line(Parser* p, const u8* line, Py_ssize_t size) noexcept nogil:
    # Samples before it in the datagram are applied first, so that the store is a prefix of what came.
    parser_flush(p)
    if store_log_side(p.store, line, size):
        _counters(p).pending += 1
    else:
        _counters(p).rejected[SIDE_LOG_FULL] += 1


cdef inline Py_ssize_t _parse_line(Parser* p, const u8* data, Py_ssize_t start, Ends* ends, u64* lines
                                   ) noexcept nogil:
    """The line at `start`; returns where it ends (LF or size), and counts it unless it is blank."""
    cdef Py_ssize_t first_end = next_end(ends), end
    cdef Ends beyond
    cdef bint no_pipe = _ends_line(data, p.marks.size, first_end)
    if unlikely(no_pipe and _without_cr(data, start, first_end) == start):
        return first_end
    lines[0] += 1
    if unlikely(data[start] == c'_'):
        beyond = ends[0]
        end = _line_end(&beyond, data, p.marks.size, first_end)
        if _is_side_line(data + start, _without_cr(data, start, end) - start):
            _take_side_line(p, data + start, _without_cr(data, start, end) - start)
            ends[0] = beyond
            return end
    if unlikely(no_pipe):
        _counters(p).rejected[NO_COLON_OR_PIPE] += 1
        return first_end
    return _parse_metric(p, data, start, first_end, ends)


cdef inline Py_ssize_t _count_datagram(Parser* p, const u8* data, Py_ssize_t size, bint cut_short) noexcept nogil:
    cdef Counters* c = _counters(p)
    if size > p.max_bytes:
        size = p.max_bytes
        cut_short = True
    c.datagrams += 1
    c.bytes += <u64>size
    if cut_short:
        c.truncated += 1
        while size > 0 and data[size - 1] != c'\n':
            size -= 1
    else:
        c.whole += 1
    return size


cdef inline void _parse_lines(Parser* p, const u8* data, Py_ssize_t size) noexcept nogil:
    cdef Counters* c = _counters(p)
    cdef Py_ssize_t start = 0
    cdef Ends ends
    scan(&p.marks, data, size)
    ends = first_ends(&p.marks)
    while start < size:
        # Counted before it is understood: recovery relies on that.
        start = _parse_line(p, data, start, &ends, &c.lines) + 1


cdef Py_ssize_t count_datagram(Parser* p, const u8* data, Py_ssize_t size, bint cut_short) noexcept nogil:
    """Counts a datagram; returns the bytes of its complete lines."""
    return _count_datagram(p, data, size, cut_short)


cdef void parse_lines(Parser* p, const u8* data, Py_ssize_t size) noexcept nogil:
    """Takes lines of a datagram that was counted; the last group may wait until parser_flush."""
    _parse_lines(p, data, size)


cdef void parse_datagram(Parser* p, const u8* data, Py_ssize_t size, bint cut_short) noexcept nogil:
    """Takes a datagram's lines into the store; the last group may wait until parser_flush.

    A datagram that was `cut_short`, or is longer than allowed, loses its last, incomplete line.
    """
    _parse_lines(p, data, _count_datagram(p, data, size, cut_short))
