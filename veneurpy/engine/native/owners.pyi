"""Which member owns a series."""

from typing_extensions import disjoint_base

from veneurpy.engine.owners import OwnerTable

@disjoint_base
class CompiledOwners:
    """A table in C; or, with `shards`, a number from the stable hash instead of an owner."""

    def __new__(cls, table: OwnerTable | None, shards: int = 0) -> CompiledOwners: ...
    def owner(self, name: bytes, type_: int, tags: bytes) -> int:
        """The index of the owner; the tags are sorted, distinct and joined by ','."""
