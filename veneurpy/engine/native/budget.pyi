"""The budgets of names, compiled."""

from typing_extensions import disjoint_base

from veneurpy.engine.types import EngineOptions

@disjoint_base
class CompiledRules:
    """The budgets of an EngineOptions in C, and the Python bytes that they point to."""

    def __new__(cls, options: EngineOptions) -> CompiledRules: ...
