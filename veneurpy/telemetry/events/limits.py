"""A limit is near, or passed: of the machine's memory, or of what a name or client may take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from veneurpy.telemetry.events.base import Event, Level


@dataclass(frozen=True, slots=True)
class MemoryLimitSmall(Event):
    """The process may not take what `store_max_bytes` grants it: the kernel would kill it first."""

    level: ClassVar[Level] = "warning"
    cgroup: str
    limit_bytes: int
    store_max_bytes: int
    needed_bytes: int

    @property
    def mend(self) -> str:
        """What to change."""
        return (
            f"set store_max_bytes to at most "
            f"{max(0, self.limit_bytes - self.needed_bytes + self.store_max_bytes)}, or raise the "
            f"limit (MemoryMax= of the unit, the container's memory) to {self.needed_bytes}"
        )


@dataclass(frozen=True, slots=True)
class ArenaDirSmall(Event):
    """The file system of `arena_dir` cannot hold the store and what waits there for the disk.

    The store is full sooner, or intervals that the disk does not take are in memory only.
    """

    level: ClassVar[Level] = "warning"
    path: str
    free_bytes: int
    store_max_bytes: int
    needed_bytes: int

    @property
    def mend(self) -> str:
        """What to change."""
        return (
            f"mount -o remount,size={self.needed_bytes + (self.store_max_bytes >> 3)} the tmpfs of "
            f"{self.path}, or set store_max_bytes to at most "
            f"{self.free_bytes * self.store_max_bytes // self.needed_bytes}"
        )


@dataclass(frozen=True, slots=True)
class StoreFull(Event):
    """Values of one interval found no room in the store, not even in a folded series."""

    level: ClassVar[Level] = "warning"
    every_s: ClassVar[float] = 60.0
    listener: str
    values: int
    mend: str = (
        "see which names have most series with `veneurpy top --by series`; raise store_max_bytes, "
        "or the file system of arena_dir if that is smaller"
    )

    @property
    def about(self) -> str:
        return self.listener


@dataclass(frozen=True, slots=True)
class NameOverBudget(Event):
    """A name has more series or tag values than it may, or than the store has room for.

    Each name is told once.
    """

    level: ClassVar[Level] = "warning"
    name: str
    series: int
    tag: str
    values: int
    folded: int
    rejected: int
    mend: str = (
        "leave out or bound that tag where it is sent; or raise max_series_per_name, or, where the "
        "name has fewer series than that, store_max_bytes"
    )


@dataclass(frozen=True, slots=True)
class ClientOverBudget(Event):
    """A client began more series than `max_series_per_client`. Logged once for each."""

    level: ClassVar[Level] = "warning"
    client: str
    series: int
    over: int
    mend: str = "see who it is with `veneurpy top --clients`; max_series_per_client is the bound"
