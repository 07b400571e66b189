"""Which names and clients an interval was about, added up over the stores of all readers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from veneurpy.engine.ranking import leading
from veneurpy.engine.reference_budget import NameCount
from veneurpy.engine.reference_store import Store
from veneurpy.engine.types import CLIENT_FIGURES, NAME_FIGURES, ClientTop, NameTop, add_clients

Seen = set[tuple[bytes, object]]


def top_of(
    stores: Sequence[Store], seen: Seen, most: int
) -> tuple[tuple[NameTop, ...], tuple[ClientTop, ...]]:
    """Names and clients among the first `most` by any figure.

    `seen` becomes this interval's spellings.
    """
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
    clients = _clients(stores, seen)
    seen.clear()
    seen.update((n, s) for n, parts in counts.items() for part in parts for s in part.spellings)
    return leading(tops, NAME_FIGURES, most), leading(clients, CLIENT_FIGURES, most)


def _clients(stores: Sequence[Store], seen: Seen) -> list[ClientTop]:
    sums: dict[str, ClientTop] = {}
    for store in stores:
        for name, count in store.clients.items():
            spellings = [(k.name, (k.type, k.timestamp_s, spelling)) for k, spelling in count.made]
            top = ClientTop(
                name,
                count.datagrams,
                count.samples,
                len(count.made),
                sum(spelling not in seen for spelling in spellings),
                sum(store.bytes_of(key) for key, _ in count.made),
                count.folded,
                count.rejected,
                count.over,
            )
            sums[name] = add_clients(sums[name], top) if name in sums else top
    return list(sums.values())


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
