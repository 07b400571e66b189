"""Cuts the payload of a batch anew for other members: rare, hence without the engine."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

from veneurpy.engine import Encoded, OwnerTable, Scope
from veneurpy.engine.reference_metric import Rejected, metrics_of, read_metric
from veneurpy.engine.reference_protobuf import Malformed, bytes_field
from veneurpy.forward.batch import Batch
from veneurpy.forward.epochs import Epoch

_METRIC = 1
"""Field number in a MetricList."""


class Divider:
    """Routes the metrics of a batch by another epoch; their bytes stay as they are."""

    def __init__(self, owners: Callable[[Epoch], OwnerTable]) -> None:
        self._owners = owners

    def __call__(self, batch: Batch, epoch: Epoch) -> Sequence[Encoded]:
        """One part for each owner. Raises ValueError if the payload cannot be read."""
        table = self._owners(epoch)
        messages: defaultdict[int, list[bytes]] = defaultdict(list)
        samples: defaultdict[int, int] = defaultdict(int)
        try:
            for message in metrics_of(batch.payload):
                metric = read_metric(message, foreign=False)
                owner = table.owner(metric.name, metric.type, metric.tags)
                if metric.scope is Scope.LOCAL and table.self_index is not None:
                    owner = table.self_index
                messages[owner].append(bytes_field(_METRIC, message))
                samples[owner] += metric.samples
        except (Malformed, Rejected) as exc:
            raise ValueError(f"the payload of {batch.id} cannot be read: {exc}") from exc
        return [
            Encoded(owner, b"".join(parts), len(parts), samples[owner])
            for owner, parts in sorted(messages.items())
        ]
