"""What rounding counters for a Veneur leaves over."""

from __future__ import annotations

from tests.engines import engine_kinds
from tests.wire import encoded
from veneurpy.engine import EngineKind


@engine_kinds
def test_remainders_are_never_cut(kind: EngineKind) -> None:
    """However little a batch may take, they are handed on as one, and are in nobody's batch."""
    lines = [b"name%d:1|c|@0.3|#veneurglobalonly" % i for i in range(40)]
    (whole,), carry = encoded(kind, *lines, foreign=True)
    parts, carry_of_parts = encoded(kind, *lines, foreign=True, max_bytes=100)
    assert len(parts) > 1
    assert (whole, carry) == (b"".join(parts), carry_of_parts)
