# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Who sends: a process's container by its control group, and lines with tags of where they come from.

Nothing here runs for a datagram unless its client is accounted for or tags are wanted.
"""
from libc.stdio cimport snprintf
from libc.stdlib cimport calloc, free, malloc
from libc.string cimport memchr, memcmp, memcpy, memset, strdup
from posix.fcntl cimport O_CLOEXEC, O_RDONLY, open as open_file
from posix.unistd cimport close as close_file, read as read_file
from veneurpy.engine.native.claims cimport begins, read_claims
from veneurpy.engine.native.compat cimport i64, u8, u32
from veneurpy.engine.native.parser cimport Parser, count_datagram, parse_lines, parser_flush
from veneurpy.engine.native.slice cimport Slice, equal, next_part

cdef enum:
    PROCESSES = 1024
    HEX_ID = 64                         # containerd, Docker, CRI-O
    HEX_TASK = 32                       # ECS: a task and a number
    GROUP_BYTES = 4096
    PATH_BYTES = 256
    SHOWN_ID = 36                       # NAME_BYTES without "container:"

cdef i64 REMEMBERED_NS = 10_000_000_000


cdef bint origins_open(Origins* o, u32 wanted, const char* proc, Py_ssize_t max_bytes) noexcept nogil:
    """False when there is no memory."""
    memset(o, 0, sizeof(Origins))
    o.wanted = wanted
    o.made.size = -1
    o.proc = strdup(proc)
    o.processes = <Process*>calloc(PROCESSES, sizeof(Process))
    if wanted:
        o.room = max_bytes + ORIGIN_ROOM
        o.lines = <u8*>malloc(<size_t>o.room)
    return o.proc != NULL and o.processes != NULL and (o.lines != NULL or not wanted)


cdef void origins_close(Origins* o) noexcept nogil:
    free(o.proc)
    free(o.processes)
    free(o.lines)
    memset(o, 0, sizeof(Origins))


cdef inline bint _is_hex(u8 c) noexcept nogil:
    return c'0' <= c <= c'9' or c'a' <= c <= c'f'


cdef Slice _container_at(const u8* line, Py_ssize_t size) noexcept nogil:
    """The last container in one line of a cgroup file: 64 hexadecimal digits, or 32, a hyphen and a number."""
    cdef Py_ssize_t at = 0, start, end
    cdef Slice found
    found.data = NULL
    found.size = 0
    while at < size:
        start = at
        while at < size and _is_hex(line[at]):
            at += 1
        end = at
        if at - start == HEX_TASK and at + 1 < size and line[at] == c'-' and c'0' <= line[at + 1] <= c'9':
            end = at + 1
            while end < size and c'0' <= line[end] <= c'9' and end - start < CONTAINER_BYTES:
                end += 1
            if end < size and c'0' <= line[end] <= c'9':
                end = at
        if at - start == HEX_ID or end > at:
            found.data = line + start
            found.size = end - start
        at = end + 1
    return found


cdef void _look_up(Origins* o, Process* p) noexcept nogil:
    """Reads the process's control groups: the first of them that names a container."""
    cdef char path[PATH_BYTES]
    cdef u8 text[GROUP_BYTES]
    cdef Py_ssize_t size, at = 0, end
    cdef const void* newline
    cdef Slice found
    cdef int fd
    p.size = 0
    if snprintf(path, PATH_BYTES, "%s/%u/cgroup", o.proc, p.pid) >= PATH_BYTES:
        return
    fd = open_file(path, O_RDONLY | O_CLOEXEC)
    if fd < 0:
        return
    size = read_file(fd, text, GROUP_BYTES)
    close_file(fd)
    while at < size:
        newline = memchr(text + at, c'\n', <size_t>(size - at))
        end = size if newline == NULL else <const u8*>newline - text
        found = _container_at(text + at, end - at)
        if found.size:
            memcpy(p.container, found.data, <size_t>found.size)
            p.size = <u32>found.size
            return
        at = end + 1


cdef const Process* _process_of(Origins* o, const Sender* s, i64 now_ns) noexcept nogil:
    """What is known of the sender's process; NULL where it is not ours to know."""
    cdef Process* p
    if not s.is_known or s.pid == 0:
        return NULL
    p = &o.processes[s.pid % PROCESSES]
    if p.pid != s.pid or not 0 <= p.until_ns - now_ns <= REMEMBERED_NS:
        p.pid = s.pid
        p.until_ns = now_ns + REMEMBERED_NS
        _look_up(o, p)
    return p


cdef inline Slice _nothing() noexcept nogil:
    cdef Slice s
    s.data = NULL
    s.size = 0
    return s


cdef Slice _plain(const u8* data, Py_ssize_t size) noexcept nogil:
    """A word that can be a tag's value, or nothing."""
    cdef Slice s
    cdef Py_ssize_t i
    s.data = data
    s.size = size
    if size < 1 or size > CONTAINER_BYTES:
        return _nothing()
    for i in range(size):
        if not (c'0' <= data[i] <= c'9' or c'a' <= data[i] <= c'z' or c'A' <= data[i] <= c'Z'
                or data[i] == c'-' or data[i] == c'_' or data[i] == c'.'):
            return _nothing()
    return s


cdef void _take_item(Made* m, bint is_local, const u8* item, Py_ssize_t size) noexcept nogil:
    """One item of `c:` (ci-, cid-, or a bare id; in- is an inode) or of `e:` (cn-, pu-)."""
    if not is_local:
        if begins(item, size, b"cn-", 3):
            m.name = _plain(item + 3, size - 3)
        elif begins(item, size, b"pu-", 3):
            m.pod = _plain(item + 3, size - 3)
    elif begins(item, size, b"ci-", 3):
        m.container = _plain(item + 3, size - 3)
    elif begins(item, size, b"cid-", 4):
        m.container = _plain(item + 4, size - 4)
    elif not begins(item, size, b"in-", 3):
        m.container = _plain(item, size)


cdef void _take_items(Made* m, bint is_local, Slice text) noexcept nogil:
    cdef Slice rest = text, item
    while rest.size >= 0:
        item = next_part(&rest, c',')
        _take_item(m, is_local, item.data, item.size)


cdef Slice _kept(Made* m, Py_ssize_t* used, Slice said) noexcept nogil:
    """A copy that lasts longer than the line."""
    cdef Slice copy
    copy.data = m.text + used[0]
    copy.size = said.size
    if said.size:
        memcpy(m.text + used[0], said.data, <size_t>said.size)
    used[0] += said.size
    return copy


cdef void _understand(Made* m, const Claims* c) noexcept nogil:
    """What the claims say, unless they are those of the line before."""
    cdef Py_ssize_t used = 0
    cdef bint is_kept = c.local.size + c.external.size + c.cardinality.size <= SAID_BYTES
    if (equal(c.local, m.claims.local) and equal(c.external, m.claims.external)
            and equal(c.cardinality, m.claims.cardinality)):
        return
    m.size = -1
    m.claims = c[0]
    if is_kept:
        m.claims.local = _kept(m, &used, c.local)
        m.claims.external = _kept(m, &used, c.external)
        m.claims.cardinality = _kept(m, &used, c.cardinality)
    m.container = m.name = m.pod = _nothing()
    _take_items(m, True, m.claims.local)
    _take_items(m, False, m.claims.external)
    m.cardinality = _plain(m.claims.cardinality.data, m.claims.cardinality.size)
    if not is_kept:
        # They go with the line, and are never those of the next one.
        m.claims.local.size = m.claims.external.size = m.claims.cardinality.size = -1


cdef Py_ssize_t _line_size(const u8* data, Py_ssize_t size) noexcept nogil:
    """Without its LF."""
    cdef const void* newline = memchr(data, c'\n', <size_t>size)
    return size if newline == NULL else <const u8*>newline - data


cdef Py_ssize_t origin_name(Origins* o, const Sender* s, const u8* data, Py_ssize_t size, bint claims, i64 now_ns,
                            u8* name) noexcept nogil:
    """How the accounts call who sent this, by its container or process; returns the bytes, 0 where neither is known.

    With `claims` the container that the first line names prevails over what the kernel says.
    """
    cdef Claims claimed
    cdef Slice container = _nothing()
    cdef const Process* p = _process_of(o, s, now_ns)
    cdef Py_ssize_t length
    if p != NULL and p.size:
        container.data = p.container
        container.size = p.size
    if claims and size > 0:
        length = _line_size(data, size)
        read_claims(&claimed, data, length - 1 if length and data[length - 1] == c'\r' else length)
        _understand(&o.made, &claimed)
        container = o.made.container if o.made.container.size else container
    if container.size:
        memcpy(name, b"container:", NAME_BYTES - SHOWN_ID)
        length = container.size if container.size < SHOWN_ID else SHOWN_ID
        memcpy(name + NAME_BYTES - SHOWN_ID, container.data, <size_t>length)
        return NAME_BYTES - SHOWN_ID + length
    if not s.is_known:
        return 0
    if s.pid:
        return snprintf(<char*>name, NAME_BYTES, "uid:%u pid:%u", s.uid, s.pid)
    return snprintf(<char*>name, NAME_BYTES, "uid:%u", s.uid)


cdef void _put(Made* m, const char* key, Py_ssize_t length, Slice value) noexcept nogil:
    cdef u8* at = m.tags + m.size
    if not value.size:
        return
    at[0] = c','
    memcpy(at + 1, key, <size_t>length)
    memcpy(at + 1 + length, value.data, <size_t>value.size)
    m.size += 1 + length + value.size


cdef void _put_number(Made* m, const char* key, Py_ssize_t length, u32 value) noexcept nogil:
    cdef char text[16]
    cdef Slice number
    number.size = snprintf(text, 16, "%u", value)
    number.data = <const u8*>text
    _put(m, key, length, number)


cdef void _make_tags(Made* m, u32 wanted, const Process* p, const Sender* s) noexcept nogil:
    """The tags of what is understood and of the sender, unless they are made."""
    cdef Slice container = m.container
    if (m.size >= 0 and m.process == p and (p == NULL or m.until_ns == p.until_ns)
            and memcmp(&m.sender, s, sizeof(Sender)) == 0):
        return
    m.sender = s[0]
    m.process = p
    m.size = 0
    if p != NULL:
        m.until_ns = p.until_ns
        if not container.size:
            container.data = p.container
            container.size = p.size
    if wanted & CONTAINER_ID:
        _put(m, b"container_id:", 13, container)
    if wanted & CONTAINER_NAME:
        _put(m, b"container_name:", 15, m.name)
    if wanted & POD_UID:
        _put(m, b"pod_uid:", 8, m.pod)
    if wanted & CARDINALITY:
        _put(m, b"cardinality:", 12, m.cardinality)
    if wanted & PID and s.is_known and s.pid:
        _put_number(m, b"pid:", 4, s.pid)
    if wanted & UID and s.is_known:
        _put_number(m, b"uid:", 4, s.uid)


cdef bint _may_name_tags(const u8* line, Py_ssize_t size) noexcept nogil:
    """May the name contain tags in some style: others beside them would be one too many."""
    cdef Py_ssize_t i
    if begins(line, size, b"_e{", 3) or begins(line, size, b"_sc|", 4):
        return False
    for i in range(size):
        if line[i] == c':':
            return False
        if line[i] == c',' or line[i] == c'#' or line[i] == c';' or line[i] == c'[':
            return True
    return False


cdef Py_ssize_t _write_line(u8* to, Origins* o, const u8* line, Py_ssize_t size, bint has_name_tags, const Process* p,
                            const Sender* s) noexcept nogil:
    """A line as if its sender had tagged it; returns the bytes. Needs ORIGIN_ROOM more than the line has."""
    cdef Claims c
    # One CR at the end is not the last field's; it stays, so that of two only one is taken for the line's end.
    cdef Py_ssize_t end = size - 1 if size and line[size - 1] == c'\r' else size, head
    cdef Made* m = &o.made
    cdef u8* at
    read_claims(&c, line, end)
    # What cannot have fields stays as it is: tags would hide what is wrong with it.
    if c.fields_at >= 0 and not (has_name_tags and _may_name_tags(line, size)):
        _understand(m, &c)
        _make_tags(m, o.wanted, p, s)
        if m.size > 0:
            head = c.tags_end if c.tags_end else end
            memcpy(to, line, <size_t>head)
            at = to + head
            if not c.tags_end:
                memcpy(at, b"|#", 2)
                at += 2
            # The comma is for tags before it.
            memcpy(at, m.tags + (not c.has_tags), <size_t>(m.size - (not c.has_tags)))
            at += m.size - (not c.has_tags)
            memcpy(at, line + head, <size_t>(size - head))
            return at - to + size - head
    memcpy(to, line, <size_t>size)
    return size


cdef void origin_take(Origins* o, Parser* p, const u8* data, Py_ssize_t size, bint cut, const Sender* s) noexcept nogil:
    """Takes a datagram, each of its lines with the tags that are wanted. Nothing waits in the group."""
    cdef const Process* process = _process_of(o, s, p.now_ns)
    cdef Py_ssize_t start = 0, length, at = 0
    size = count_datagram(p, data, size, cut)
    while start < size:
        length = _line_size(data + start, size - start)
        if at + length + ORIGIN_ROOM > o.room:
            parse_lines(p, o.lines, at)
            parser_flush(p)
            at = 0
        at += _write_line(o.lines + at, o, data + start, length, p.name_tags != 0, process, s)
        o.lines[at] = c'\n'
        at += 1
        start += length + 1
    parse_lines(p, o.lines, at)
    parser_flush(p)
