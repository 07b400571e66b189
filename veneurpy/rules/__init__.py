"""What becomes of a name before it is published: mapped to another name and tags, or dropped."""

from __future__ import annotations

from veneurpy.rules.mapping import Mapped, Mapping, Rule
from veneurpy.rules.rewriter import MappingRewriter

__all__ = ["Mapped", "Mapping", "MappingRewriter", "Rule"]
