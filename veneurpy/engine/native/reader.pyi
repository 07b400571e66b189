"""A reader as Python sees it. What the methods promise is said in veneurpy.engine."""

from typing_extensions import disjoint_base

from veneurpy.engine import Grammar
from veneurpy.engine.native.engine import NativeEngine
from veneurpy.engine.native.sharing import Sharing
from veneurpy.engine.types import Bytes, Captured, Process

@disjoint_base
class NativeReader:
    @property
    def listener(self) -> str: ...
    @property
    def engine(self) -> NativeEngine: ...
    @property
    def busy(self) -> list[int]:
        """Batches by the time they took: item i counts i ns, from 8 on an eighth of an octave."""
    def __init__(
        self,
        engine: NativeEngine,
        sharing: Sharing,
        listener: str,
        number: int,
        max_datagram_bytes: int = 0,
        grammar: Grammar | None = None,
        ring_bytes: int = 0,
    ) -> None: ...
    def feed(
        self,
        datagram: Bytes,
        *,
        truncated: bool = False,
        now_ns: int | None = None,
        client: str | None = None,
        process: Process | None = None,
    ) -> None: ...
    def discard_line(self) -> None: ...
    def captured(self, mark: int | None = None) -> Captured: ...
    def stop(self, timeout_s: float) -> int: ...
    def leave(self) -> None: ...
