"""The native engine as Python sees it. What the methods promise is said in veneurpy.engine."""

from collections.abc import Sequence

from typing_extensions import disjoint_base

from veneurpy.engine import Grammar, Interval
from veneurpy.engine.native.import_store import NativeImportStore
from veneurpy.engine.native.interval import NativeInterval
from veneurpy.engine.native.reader import NativeReader
from veneurpy.engine.types import Accounts, EngineOptions, MemoryUse

@disjoint_base
class NativeEngine:
    @property
    def options(self) -> EngineOptions: ...
    @property
    def unreadable(self) -> list[tuple[str, str]]: ...
    @property
    def memory(self) -> MemoryUse: ...
    @property
    def committed_bytes(self) -> int:
        """Memory behind the arenas of all readers."""

    def __init__(
        self, options: EngineOptions, *, start_ms: int, hash_key: bytes | None = None
    ) -> None:
        """`hash_key` (32 bytes) is for those who count instructions: by default it is random."""
    def hash_of(self, name: bytes, tags: bytes = b"") -> int:
        """Where a name and its tags as sent belong in this engine's tables; no other agrees."""
    def open_reader(
        self, listener: str, *, max_datagram_bytes: int = 0, grammar: Grammar | None = None
    ) -> NativeReader: ...
    def attach(self, fd: int, listener: str, *, grammar: Grammar | None = None) -> NativeReader: ...
    def open_import(self, start_ms: int) -> NativeImportStore: ...
    def rotate(self, now_ms: int) -> NativeInterval: ...
    @property
    def readers(self) -> tuple[NativeReader, ...]: ...
    def open_accounts(self) -> Sequence[tuple[str, Accounts]]: ...
    def recovered(self) -> Sequence[NativeInterval]: ...
    def resume(self, interval: Interval) -> None: ...
    def close(self, *, leave_arenas: bool = False) -> None: ...
