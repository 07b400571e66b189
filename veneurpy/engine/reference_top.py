"""Which names an interval was about, added up over the stores of all readers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from veneurpy.engine.reference_budget import NameCount
from veneurpy.engine.reference_store import Store
from veneurpy.engine.types import NameTop

_FIGURES = ("samples", "series", "new", "bytes", "values", "folded", "rejected")

Seen = set[tuple[bytes, object]]


def top_names(stores: Sequence[Store], seen: Seen, most: int) -> tuple[NameTop, ...]:
    """The names among the first `most` by any figure; `seen` becomes this interval's spellings."""
    samples: dict[bytes, int] = defaultdict(int)
    size: dict[bytes, int] = defaultdict(int)
    counts: dict[bytes, list[NameCount]] = defaultdict(list)
    for store in stores:
        for key, series in store.series.items():
            samples[key.name] += series.samples
            size[key.name] += store.bytes_of(key)
        for name, count in store.names.items():
            if count.spellings:
                counts[name].append(count)
    tops = [_top(name, counts[name], samples[name], size[name], seen) for name in counts]
    seen.clear()
    seen.update((n, s) for n, parts in counts.items() for part in parts for s in part.spellings)
    picked: set[NameTop] = set()
    for figure in _FIGURES:
        ranked = sorted(tops, key=lambda top: -getattr(top, figure))[:most]
        picked.update(top for top in ranked if getattr(top, figure))
    return tuple(picked)


def _top(name: bytes, parts: list[NameCount], samples: int, size: int, seen: Seen) -> NameTop:
    tag, values = b"", 0
    for part in parts:
        worst = part.worst()
        if worst is not None and part.keys[worst].distinct > values:
            tag, values = worst, part.keys[worst].distinct
    return NameTop(
        name.decode(),
        samples,
        sum(len(part.spellings) for part in parts),
        sum((name, spelling) not in seen for part in parts for spelling in part.spellings),
        size,
        tag.decode(),
        values,
        sum(part.folded for part in parts),
        sum(part.rejected for part in parts),
    )
