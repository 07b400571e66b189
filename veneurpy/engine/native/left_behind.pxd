"""What dead processes have left in the directory of arenas, as intervals."""
from veneurpy.engine.native.sharing cimport Sharing


cdef list intervals_left(Sharing sharing, list unreadable)
