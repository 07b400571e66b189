"""The pure core: datagrams in, closed intervals out. Knows neither configuration nor logging.

Two engines keep the same promises: `native` (Cython, no GIL) and `python` (the reference, which
runs where nothing can be compiled and is the oracle of the differential tests).
"""

from __future__ import annotations

from typing import Literal

from veneurpy.engine.columns import SCHEMA_VERSION, Columns, StringTable
from veneurpy.engine.exchange import (
    IMPORT_REASONS,
    Encoded,
    Encoding,
    FrameBroken,
    Imported,
    StoreFull,
    Streamed,
)
from veneurpy.engine.grammar import Grammar, NameTags
from veneurpy.engine.owners import OwnerTable, TagMatcher
from veneurpy.engine.promises import Engine, ImportStore, Interval, Reader
from veneurpy.engine.types import (
    CLIENT_FIGURES,
    FOLDED_TAG,
    IGNORED_FIELDS,
    LINE_REASONS,
    NAME_FIGURES,
    VALUE_REASONS,
    Accounts,
    Budget,
    Bytes,
    Captured,
    ClientTop,
    EngineOptions,
    MemoryUse,
    MetricType,
    NameTop,
    OriginTag,
    Output,
    Overflow,
    Plan,
    PointType,
    Process,
    Role,
    Scope,
    Statistic,
)

__all__ = [
    "CLIENT_FIGURES",
    "FOLDED_TAG",
    "IGNORED_FIELDS",
    "IMPORT_REASONS",
    "LINE_REASONS",
    "NAME_FIGURES",
    "SCHEMA_VERSION",
    "VALUE_REASONS",
    "Accounts",
    "Budget",
    "Bytes",
    "Captured",
    "ClientTop",
    "Columns",
    "Encoded",
    "Encoding",
    "Engine",
    "EngineKind",
    "EngineMissing",
    "EngineOptions",
    "FrameBroken",
    "Grammar",
    "ImportStore",
    "Imported",
    "Interval",
    "MemoryUse",
    "MetricType",
    "NameTags",
    "NameTop",
    "OriginTag",
    "Output",
    "Overflow",
    "OwnerTable",
    "Plan",
    "PointType",
    "Process",
    "Reader",
    "Role",
    "Scope",
    "Statistic",
    "StoreFull",
    "Streamed",
    "StringTable",
    "TagMatcher",
    "open_engine",
]

EngineKind = Literal["native", "python"]


class EngineMissing(ImportError):
    """The native engine was asked for and is not built here."""


def open_engine(kind: EngineKind, options: EngineOptions, *, start_ms: int) -> Engine:
    """Opens an engine whose first interval starts at `start_ms`.

    Raises EngineMissing when the native engine is not built; it is never replaced silently.
    """
    if kind == "python":
        from veneurpy.engine.reference import ReferenceEngine

        return ReferenceEngine(options, start_ms=start_ms)
    try:
        from veneurpy.engine.native.engine import NativeEngine
    except ImportError as exc:
        raise EngineMissing(
            "the native engine is not built for this Python: reinstall veneurpy with a C compiler "
            "present, or set `engine: python` (slower, same results)"
        ) from exc
    return NativeEngine(options, start_ms=start_ms)
