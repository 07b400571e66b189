"""Reads the protocol cases: what is sent, and what must come of it.

A case is one line of a YAML file here. Its keys:

    packet, packets   what is sent: Latin-1 text, one character a byte
    truncated         the kernel cut the (last) datagram
    extend            extend_tags
    filters           filters, as in a configuration
    options           fields of EngineOptions
    name_tags         styles of tags in names
    dialect           statsd for plain StatsD
    points            [name, tags, type, value, {scope, sinks, t}]: the tags joined by commas; the
                      value of a histogram or timer is a mapping of statistics (min … hmean, p50,
                      p99.9), null for one that is not emitted
    events, checks    mappings of what differs from an event's or check's defaults
    reject            the one line is rejected for this reason
    accounts          accounts that must be so; of those below `rejected`, `values_rejected` and
                      `ignored`, and of `truncated`, the ones that are not named must be 0
    note              why it differs from Veneur, or is as it is
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tests.engines import NOW_NS, START_MS, Row
from veneurpy.config.filters import filters_of
from veneurpy.config.loader import parse_config
from veneurpy.engine import (
    EngineOptions,
    Grammar,
    MetricType,
    NameTags,
    Output,
    Plan,
    PointType,
    Scope,
    Statistic,
)
from veneurpy.model import Event, ServiceCheck
from veneurpy.rules import FilterRewriter

HERE = Path(__file__).parent
NOW_S = NOW_NS // 1_000_000_000
_STATISTICS = {word.name.lower(): word for word in Statistic if word is not Statistic.QUANTILE}
_KEYS = {
    "packet",
    "packets",
    "truncated",
    "extend",
    "filters",
    "options",
    "name_tags",
    "dialect",
    "points",
    "events",
    "checks",
    "reject",
    "accounts",
    "note",
}


@dataclass(frozen=True)
class Case:
    """One case, ready to run."""

    id: str
    packets: list[bytes]
    truncated: bool
    options: EngineOptions
    plan: Plan
    rows: list[Row]
    events: list[Event]
    checks: list[ServiceCheck]
    accounts: dict[str, int]


def yaml_cases() -> list[Case]:
    """All cases of the YAML files but the differences from Veneur, which belong to its vectors."""
    return [
        build(f"{path.stem}:{line}", raw)
        for path in sorted(HERE.glob("*.yaml"))
        if path.stem != "veneur_differences"
        for line, raw in lines_of(path)
    ]


def lines_of(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, mapping) of each item of the list in a YAML file."""
    loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
    for node in loader.get_single_node().value:
        yield node.start_mark.line + 1, loader.construct_mapping(node, deep=True)


def build(place: str, raw: Mapping[str, Any]) -> Case:
    """A case from its mapping."""
    unknown = set(raw) - _KEYS
    if unknown:
        raise ValueError(f"{place}: unknown keys {unknown}")
    packets = [packet.encode("latin-1") for packet in raw.get("packets", [raw.get("packet", "")])]
    points = raw.get("points", [])
    rejection = {"lines": 1, "accepted": 0, f"rejected.{raw.get('reject')}": 1}
    return Case(
        id=f"{place} {_readable(packets[0])}",
        packets=packets,
        truncated=raw.get("truncated", False),
        options=EngineOptions(
            extend_tags=tuple(raw.get("extend", ())),
            grammar=_grammar(raw),
            rewriter=_rewriter(raw),
            **raw.get("options", {}),
        ),
        plan=_plan(points),
        rows=sorted(row for point in points for row in _rows(*point)),
        events=[Event(**_event_defaults(event)) for event in raw.get("events", [])],
        checks=[ServiceCheck(**_event_defaults(check)) for check in raw.get("checks", [])],
        accounts=(rejection if "reject" in raw else {}) | raw.get("accounts", {}),
    )


def _grammar(raw: Mapping[str, Any]) -> Grammar:
    styles = NameTags(0)
    for style in raw.get("name_tags", ()):
        styles |= NameTags[style.upper()]
    return Grammar(styles, is_statsd=raw.get("dialect") == "statsd")


def _rewriter(raw: Mapping[str, Any]) -> FilterRewriter | None:
    if "filters" not in raw:
        return None
    config = parse_config(json.dumps({"filters": raw["filters"]})).config
    return FilterRewriter(filters_of(config.filters))


def _readable(packet: bytes) -> str:
    return re.sub(r"[^ -Z^-~]", "?", packet[:40].decode("latin-1"))


def _event_defaults(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {"timestamp_s": NOW_S, **raw, "tags": tuple(raw.get("tags", ()))}


def _plan(points: list[list[Any]]) -> Plan:
    wanted = {
        statistic: None
        for _, _, _, value, *_ in points
        if isinstance(value, dict)
        for statistic in value
    }
    return Plan(tuple(map(_output, wanted)))


def _output(statistic: str) -> Output:
    if statistic in _STATISTICS:
        return Output(f".{statistic}", _STATISTICS[statistic], _point_type(statistic))
    quantile = float(Decimal(statistic.removeprefix("p")) / 100)
    return Output(f".{statistic}", Statistic.QUANTILE, PointType.GAUGE, quantile)


def _point_type(statistic: str) -> PointType:
    return PointType.COUNTER if statistic == "count" else PointType.GAUGE


def _rows(
    name: str,
    tags: str | list[str],
    type_: str,
    value: Any,
    extras: Mapping[str, Any] | None = None,
) -> Iterator[Row]:
    extras = extras or {}
    if isinstance(tags, str):
        tags = tags.split(",") if tags else []
    series_type = MetricType[type_.upper()]
    if isinstance(value, dict):
        values = [(f".{stat}", _point_type(stat), v) for stat, v in value.items() if v is not None]
    else:
        point_type = PointType.COUNTER if type_ == "counter" else PointType.GAUGE
        values = [("", point_type, value)]
    for suffix, point_type, number in values:
        yield Row(
            name=name + suffix,
            tags=tuple(tags),
            series_type=series_type,
            sinks=tuple(sorted(extras.get("sinks", ()))),
            timestamp_ms=1000 * extras["t"] if "t" in extras else START_MS,
            type=point_type,
            scope=Scope[extras.get("scope", "mixed").upper()],
            own_time="t" in extras,
            value=float(number),
        )
