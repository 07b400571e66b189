"""From the arenas of an interval, or of imports, to Columns."""

from collections.abc import Sequence

from typing_extensions import disjoint_base

from veneurpy.engine.native.meter import MemoryMeter
from veneurpy.engine.types import Plan

@disjoint_base
class MergeContext:
    """What every merge of an engine needs: the hash's key, the implicit tags."""

    def __new__(
        cls, meter: MemoryMeter, secret: bytes, tags: Sequence[str], compression: float
    ) -> MergeContext: ...

@disjoint_base
class CompiledPlan:
    """A Plan in C."""

    def __new__(cls, plan: Plan) -> CompiledPlan: ...
    @property
    def role(self) -> int: ...
