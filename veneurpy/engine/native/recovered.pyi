"""Arenas that outlived their process."""

from typing_extensions import disjoint_base

@disjoint_base
class RecoveredFile:
    """An arena of a process that died, mapped."""

    def __new__(cls, path: str, boot_id: bytes) -> RecoveredFile: ...
    @property
    def path(self) -> str: ...
    @property
    def verdict(self) -> int: ...
    @property
    def is_copy(self) -> bool: ...
    @property
    def file_bytes(self) -> int: ...
    @property
    def is_carried(self) -> bool:
        """It has no reader: its gauges are of intervals before."""

    @property
    def is_whole(self) -> bool:
        """Of one that is carried: everything had been carried into it."""

    @property
    def uuid(self) -> bytes: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def last_ms(self) -> int: ...
    @property
    def reader(self) -> int:
        """Its number: what readers say at the same time counts in their order."""

    @property
    def listener(self) -> str: ...
    def discard(self) -> None: ...
