"""What the arenas of one engine have in common; what is visible from Python."""

from uuid import UUID

from typing_extensions import disjoint_base

from veneurpy.engine.arena_dir import ArenaDir
from veneurpy.engine.types import EngineOptions

@disjoint_base
class Sharing:
    """Made by the engine only."""

    def __init__(self, options: EngineOptions, hash_key: bytes | None) -> None: ...
    @property
    def options(self) -> EngineOptions: ...
    @property
    def dir(self) -> ArenaDir | None: ...
    @property
    def uuid(self) -> UUID:
        """Of the open interval."""
