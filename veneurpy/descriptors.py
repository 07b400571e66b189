"""The limit of open files: what it leaves to connections, and what is kept for the node itself."""

from __future__ import annotations

import resource

KEPT_DESCRIPTORS = 128
"""For files of sinks, the spool and what else the node opens; a quarter of a small limit."""


def is_among_the_last(descriptor: int) -> bool:
    """Whether a connection would take a descriptor that is kept: the kernel gives the lowest first.

    It is to be closed at once then: a node whose clients have taken all can flush nothing.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 < most - min(KEPT_DESCRIPTORS, most // 4) <= descriptor
