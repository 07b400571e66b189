"""What becomes of a name before it is published: another name, other tags, or it is dropped."""

from __future__ import annotations

from veneurpy.rules.filtering import FilterRewriter
from veneurpy.rules.filters import Filter, Filters
from veneurpy.rules.mapping import Mapped, Mapping, Rule
from veneurpy.rules.rewriter import MappingRewriter

__all__ = ["Filter", "FilterRewriter", "Filters", "Mapped", "Mapping", "MappingRewriter", "Rule"]
