"""Gauges that are flushed again; what is visible from Python."""

from pathlib import Path

from typing_extensions import disjoint_base

from veneurpy.engine.native.meter import MemoryMeter

@disjoint_base
class CarriedArena:
    """Made by the engine only."""

    def __new__(
        cls,
        meter: MemoryMeter,
        size: int,
        digest_bytes: int,
        fd: int = -1,
        path: Path | None = None,
    ) -> CarriedArena: ...
