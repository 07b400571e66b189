"""Veneur's emission matrix: which series a node in a role publishes, and which it forwards."""

from __future__ import annotations

from veneurpy.engine.types import MetricType, Role, Scope

_SCALARS = frozenset({MetricType.COUNTER, MetricType.GAUGE})


def is_global(type_: MetricType, scope: Scope) -> bool:
    """Whether a series is merged over hosts: its owner has the last word on it."""
    return scope is Scope.GLOBAL if type_ in _SCALARS else scope is not Scope.LOCAL


def publishes(role: Role, type_: MetricType, scope: Scope) -> bool:
    """Whether a node makes rows of a series without a `T`; with one, it always does."""
    if role is Role.HOST:
        is_mixed_histogram = (
            scope is Scope.MIXED and type_ not in _SCALARS and type_ is not MetricType.SET
        )
        return is_mixed_histogram or not is_global(type_, scope)
    return role is Role.STANDALONE


def forwards(role: Role, type_: MetricType, scope: Scope) -> bool:
    """Whether a node encodes a series without a `T`; with one, it never does."""
    return role is Role.OWNER or (role is Role.HOST and is_global(type_, scope))
