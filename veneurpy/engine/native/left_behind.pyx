# cython: language_level=3, auto_pickle=False, boundscheck=False, wraparound=False, cdivision=True
"""Files to intervals: each is whole, settled already, or unreadable."""
import os
import uuid as uuids

from veneurpy.engine.native.interval cimport NativeInterval
from veneurpy.engine.native.recover cimport (
    NO_MEMORY, NO_NAME, NOT_AN_ARENA, NOTHING_IN_IT, OTHER_BOOT, SALVAGED,
)
from veneurpy.engine.native.recovered cimport RecoveredFile

from veneurpy.engine.arena_dir import boot_id

_WHY_UNREADABLE = {
    NOT_AN_ARENA: "cut short, or of another version",
    OTHER_BOOT: "written before the machine was started anew",
    NO_NAME: "its header is damaged: nobody can tell what interval it was of",
}


cdef tuple _files_left(object paths, list unreadable):
    """Of readers, by the uuid of their interval; what was carried into one. Others are removed.

    Raises OSError or MemoryError for what the next try may be able to read: it stays.
    """
    cdef RecoveredFile found
    cdef dict by_uuid = {}, carried = {}
    for path in paths:
        found = RecoveredFile(str(path), boot_id())
        if found.verdict == NO_MEMORY:
            raise MemoryError(str(path))
        if found.verdict != SALVAGED:
            if found.verdict != NOTHING_IN_IT:
                unreadable.append((str(path), _WHY_UNREADABLE[found.verdict]))
            os.unlink(path)
            continue
        if found.is_carried:
            carried[found.uuid] = found
        else:
            by_uuid.setdefault(found.uuid, []).append(found)
    return by_uuid, carried


cdef NativeInterval _interval_of(Sharing sharing, object uuid, list files):
    cdef RecoveredFile found
    cdef NativeInterval interval = NativeInterval(
        sharing.context, uuid, min([f.start_ms for f in files]), max([max(f.last_ms, f.start_ms) for f in files]),
        None, sharing.dir.marks,
    )
    for found in sorted(files, key=lambda f: f.reader):
        interval.add(&found.arena, found.listener, 0, found)
    if any([f.is_copy for f in files]):
        interval.become_copy()
    return interval


cdef list intervals_left(Sharing sharing, list unreadable):
    """The oldest first; what cannot be read is added to `unreadable`, as (path, why)."""
    cdef NativeInterval interval
    cdef object marks = sharing.dir.marks
    cdef list out = []
    by_uuid, carried = _files_left(sharing.dir.left_behind, unreadable)
    for raw, files in by_uuid.items():
        uuid = uuids.UUID(bytes=raw)
        if uuid in marks.settled:
            for found in files:
                found.discard()
            continue
        interval = _interval_of(sharing, uuid, files)
        if raw in carried and carried[raw].is_whole:
            interval.bring(carried.pop(raw))
        out.append(interval)
    # What was not whole is carried again, from the interval before.
    for found in carried.values():
        found.discard()
    for uuid in marks.settled | (marks.unkept - {each.copied_from or each.uuid for each in out}):
        marks.forget(uuid)
    out.sort(key=lambda each: each.start_ms)
    return out
