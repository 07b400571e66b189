"""What an owner merges of one interval. What the methods promise is said in veneurpy.engine."""

from typing_extensions import disjoint_base

from veneurpy.engine.columns import Columns
from veneurpy.engine.exchange import Encoded, Imported, Streamed
from veneurpy.engine.native.columns import MergeContext
from veneurpy.engine.native.interval import ArenaSource
from veneurpy.engine.owners import OwnerTable
from veneurpy.engine.types import Plan

@disjoint_base
class ImportBudget:
    """Bytes that all import stores of an engine may take together."""

    def __new__(cls, limit: int) -> ImportBudget: ...
    @property
    def left(self) -> int: ...
    @property
    def limit(self) -> int: ...

@disjoint_base
class NativeImportStore(ArenaSource):
    """Made by `NativeEngine.open_import` only."""

    def __new__(
        cls,
        context: MergeContext,
        budget: ImportBudget,
        start_ms: int,
        compression: float,
        digest_bytes: int,
    ) -> NativeImportStore: ...
    @property
    def start_ms(self) -> int: ...
    @property
    def series(self) -> int: ...
    @property
    def memory_bytes(self) -> int: ...
    def merge(
        self, payload: bytes, *, sender: str, received_ns: int, foreign: bool = False
    ) -> Imported: ...
    def merge_stream(self, frames: bytes, *, sender: str, received_ns: int) -> Streamed: ...
    def columns(self, plan: Plan, *, touched_only: bool = False) -> Columns: ...
    def state(self, shards: int, max_bytes: int) -> list[bytes]: ...
    def encode(self, table: OwnerTable, max_bytes: int) -> list[Encoded]: ...
    def forget_touched(self) -> None: ...
    def release(self) -> None: ...
