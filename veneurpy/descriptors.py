"""Descriptors: the limit of open files and whom it is for, and the three standard ones."""

from __future__ import annotations

import os
import resource

STDERR = 2
KEPT_DESCRIPTORS = 128
"""For files of sinks, the spool and what else the node opens; a quarter of a small limit."""


def is_among_the_last(descriptor: int) -> bool:
    """Whether a connection would take a descriptor that is kept: the kernel gives the lowest first.

    It is to be closed at once then: a node whose clients have taken all can flush nothing.
    """
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 0 < most - min(KEPT_DESCRIPTORS, most // 4) <= descriptor


def take_closed_standard_ones() -> None:
    """Puts /dev/null where standard input, output or error are closed, as by `2>&-`.

    Whatever is opened first has their numbers else: the log would go to the event loop, a file or
    a client. It can be read only, so that to write there is an error as before.
    """
    # The kernel gives the lowest number that is free.
    while (descriptor := os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)) <= STDERR:
        pass
    os.close(descriptor)
