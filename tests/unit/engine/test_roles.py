"""The emission matrix: which rows a node makes in its role, and what it forwards."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.engines import END_MS, NOW_NS, START_MS, engine_kinds, rows
from tests.property.compare import PLAN
from tests.wire import ALONE
from veneurpy.engine import EngineKind, EngineOptions, Role, open_engine
from veneurpy.engine.reference_metric import metrics_of, read_metric

AGGREGATES = {"min", "max", "sum", "avg", "count", "hmean", "median"}
QUANTILES = {"q0.0", "q0.01", "q0.25", "q0.5", "q0.99", "q1.0"}
LINES = {
    f"{name}.{scope}": b"%s.%s:%s|%s%s" % (name.encode(), scope.encode(), value, type_, tags)
    for name, value, type_ in (
        ("c", b"1", b"c"),
        ("g", b"1", b"g"),
        ("h", b"1", b"h"),
        ("t", b"1", b"ms"),
        ("s", b"x", b"s"),
    )
    for scope, tags in (
        ("mixed", b""),
        ("local", b"|#veneurlocalonly"),
        ("global", b"|#veneurglobalonly"),
    )
}
OWN_TIME = {"c.time": b"c.time:1|c|T%d" % (START_MS // 1000)}
EVERYTHING = {
    name: AGGREGATES | QUANTILES if name[0] in "ht" else {""} for name in LINES | OWN_TIME
}
OF_HOST = {
    **{name: {""} for name in ("c.mixed", "c.local", "g.mixed", "g.local", "s.local", "c.time")},
    **dict.fromkeys(("h.mixed", "t.mixed"), AGGREGATES),
    **dict.fromkeys(("h.local", "t.local"), AGGREGATES | QUANTILES),
}
FROM_HOST = {"c.global", "g.global", "s.mixed", "s.global"} | {
    f"{type_}.{scope}" for type_ in "ht" for scope in ("mixed", "global")
}


@engine_kinds
@pytest.mark.parametrize(
    ("role", "published", "forwarded"),
    [
        (Role.STANDALONE, EVERYTHING, set()),
        (Role.HOST, OF_HOST, FROM_HOST),
        (Role.OWNER, {"c.time": {""}}, set(LINES)),
    ],
)
def test_matrix(
    kind: EngineKind, role: Role, published: dict[str, set[str]], forwarded: set[str]
) -> None:
    """Each series is published here, or forwarded, or both, as its type and scope say."""
    engine = open_engine(kind, EngineOptions(), start_ms=START_MS)
    reader = engine.open_reader("x")
    reader.feed(b"\n".join((LINES | OWN_TIME).values()), now_ns=NOW_NS)
    interval = engine.rotate(END_MS)

    found: dict[str, set[str]] = {}
    for row in rows(interval.columns(replace(PLAN, role=role))):
        name, _, statistic = row.name.partition("#")
        found.setdefault(name, set()).add(statistic)
    parts = interval.encode(ALONE, role=role).parts

    assert published == found
    sent = [read_metric(m, foreign=False) for part in parts for m in metrics_of(part.payload)]
    assert forwarded == {metric.name.decode() for metric in sent}
    assert len(sent) == len(forwarded) == sum(part.series for part in parts)
    interval.release()
    engine.close()


@engine_kinds
def test_owners_need_a_place(kind: EngineKind) -> None:
    """An owner that does not know which member it is cannot keep what is its own."""
    engine = open_engine(kind, EngineOptions(), start_ms=START_MS)
    engine.open_reader("x").feed(b"c:1|c", now_ns=NOW_NS)
    interval = engine.rotate(END_MS)

    with pytest.raises(ValueError, match="self_index"):
        interval.encode(replace(ALONE, self_index=None), role=Role.OWNER)
    interval.release()
    engine.close()


@engine_kinds
def test_sinks_are_kept_by_owners_only(kind: EngineKind) -> None:
    """Which sinks a series is for is a matter of the node that received it."""
    for role, expected in ((Role.HOST, set()), (Role.OWNER, {b"kafka", b"s3"})):
        engine = open_engine(kind, EngineOptions(), start_ms=START_MS)
        line = b"h:1|h|#x,veneursinkonly:s3,veneursinkonly:kafka"
        engine.open_reader("x").feed(line, now_ns=NOW_NS)
        interval = engine.rotate(END_MS)

        [part] = interval.encode(ALONE, role=role).parts

        [message] = metrics_of(part.payload)
        metric = read_metric(message, foreign=False)
        assert ((b"x",), expected) == (metric.tags, set(metric.sinks))
        interval.release()
        engine.close()
