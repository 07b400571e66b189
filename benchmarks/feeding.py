"""Feeding the native engine by hand, and checking that it took everything."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.load import Sent
from veneurpy.engine import Engine, EngineOptions, Interval, MetricType, open_engine

CHUNK_BYTES = 60_000
"""Per call of `feed`: the cost of the call from Python vanishes."""

LETTERS = {
    "c": MetricType.COUNTER,
    "g": MetricType.GAUGE,
    "ms": MetricType.TIMER,
    "h": MetricType.HISTOGRAM,
    "s": MetricType.SET,
}


@contextmanager
def native_engine(readers: int = 1, **changes: Any) -> Iterator[Engine]:
    """A native engine that takes datagrams of `CHUNK_BYTES`, with 2 GiB for each reader:
    enough for a million series, their flush and the columns that sinks hold meanwhile.
    `changes` are of its options."""
    options = EngineOptions(max_datagram_bytes=65_507, store_max_bytes=readers << 31)
    start_ms = time.time_ns() // 1_000_000
    engine = open_engine("native", replace(options, **changes), start_ms=start_ms)
    try:
        yield engine
    finally:
        engine.close()


def chunks_of(path: Path) -> list[bytes]:
    """The file's lines in pieces of at most `CHUNK_BYTES`, each of whole lines."""
    text, start, chunks = path.read_bytes(), 0, []
    while start < len(text):
        end = text.rfind(b"\n", start, start + CHUNK_BYTES) + 1
        chunks.append(text[start:end])
        start = end
    return chunks


def rotate(engine: Engine) -> Interval:
    """Closes the open interval now."""
    return engine.rotate(time.time_ns() // 1_000_000)


def check_accounts(interval: Interval, written: Sequence[Sent]) -> None:
    """Raises unless each reader holds every value of every line it was fed, in its own series."""
    for _, accounts in interval.accounts:
        if accounts.folded:
            raise RuntimeError(f"{accounts.folded} values were folded")
        for letters, kind in LETTERS.items():
            fed, found = sum(sent.values[letters] for sent in written), accounts.aggregated[kind]
            if fed != found:
                raise RuntimeError(f"{fed} {letters} fed, {found} aggregated")
