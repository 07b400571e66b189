"""Merging one metric of another node into an import store's arena, in which there is room for it."""
from libc.string cimport memset
from veneurpy.engine.native.compat cimport u32
from veneurpy.engine.native.hash cimport MARK_SCOPE, hash_mark, hash_pair
from veneurpy.engine.native.imports cimport Frame, Imports
from veneurpy.engine.native.metric cimport Metric
from veneurpy.engine.native.store cimport Item


cdef inline Item item_of(const Imports* im, const Metric* m) noexcept nogil:
    """How the metric's series is looked for. Scopes are apart: no tag tells them here."""
    cdef Item it
    memset(&it, 0, sizeof(Item))
    it.name = m.name.data
    it.name_len = <u32>m.name.size
    it.tags = m.tags.data
    it.tags_len = <u32>m.tags.size
    it.type = m.type
    it.hash = (hash_pair(&im.key, it.name, it.name_len, it.tags, it.tags_len) ^ hash_mark(&im.key, m.type)
               ^ hash_mark(&im.key, MARK_SCOPE | m.scope))
    return it


cdef void merge_metric(Imports* im, Frame* f, const Metric* m) noexcept nogil
