"""What Veneur's own parser made of 120 packets, as cases of ours.

`veneur_parser_vectors.jsonl` was written by running Veneur. Where we differ on purpose,
`veneur_differences.yaml` has the packet with what we make of it, and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.golden.cases import HERE, Case, build, lines_of

_REASONS = {
    "Invalid number for metric value": "bad_value",
    "Sample rate": "bad_rate",
    "Invalid float for sample rate": "bad_rate",
    "Invalid metric packet, name cannot be empty": "bad_name",
    "Invalid metric packet, need at least 1 colon": "no_colon_or_pipe",
    "Invalid type for metric": "bad_type",
    "Invalid metric packet": "unlike ours",
    "Invalid event packet": "bad_event",
    "Invalid serv": "bad_check",
}
_EVENT_FIELDS = {
    "vdogstatsd_hostname": "host",
    "vdogstatsd_ak": "aggregation_key",
    "vdogstatsd_pri": "priority",
    "vdogstatsd_st": "source_type",
    "vdogstatsd_at": "alert_type",
}
_STATUSES = ["OK", "WARNING", "CRITICAL", "UNKNOWN"]


def vectors() -> list[dict[str, Any]]:
    """The vectors as they were written."""
    text = (HERE / "veneur_parser_vectors.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def key_of(raw: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
    """What tells a vector from the others: the packet as Latin-1 text, and the implicit tags."""
    return raw["packet"], tuple(raw.get("extend", ()))


def differences() -> dict[tuple[str, tuple[str, ...]], dict[str, Any]]:
    """Our reading, by the vector's key."""
    return {key_of(raw): raw for _, raw in lines_of(HERE / "veneur_differences.yaml")}


def vector_cases() -> Iterator[Case]:
    """All vectors, each as Veneur reads it or, if it is among the differences, as we do."""
    ours = differences()
    for line, vector in enumerate(vectors(), 1):
        raw = as_veneur_reads(vector)
        yield build(f"veneur_parser_vectors:{line}", ours.get(key_of(raw), raw))


def as_veneur_reads(vector: dict[str, Any]) -> dict[str, Any]:
    """A vector in the form of our cases."""
    case: dict[str, Any] = {"packet": vector["packet"].encode().decode("latin-1")}
    if "extend" in vector:
        case["extend"] = vector["extend"]
    if "error" in vector:
        case["reject"] = next(
            reason for text, reason in _REASONS.items() if vector["error"].startswith(text)
        )
    elif vector["kind"] == "metric":
        case["points"] = [_point(vector["metrics"])]
    elif vector["kind"] == "event":
        case["events"] = [_event(event) for event in vector["metrics"]]
    else:
        case["checks"] = [_check(check) for check in vector["metrics"]]
    return case


def _point(metrics: list[dict[str, Any]]) -> list[Any]:
    first = metrics[0]
    type_ = first["type"]
    value: Any
    if type_ in ("histogram", "timer"):
        value = {
            "count": sum(1 / metric["rate"] for metric in metrics),
            "sum": sum(metric["value"] / metric["rate"] for metric in metrics),
        }
    elif type_ == "set":
        value = len({metric["value"] for metric in metrics})
    elif type_ == "counter":
        value = sum(metric["value"] / metric["rate"] for metric in metrics)
    else:
        value = metrics[-1]["value"]
    return [first["name"], first["tags"], type_, value, {"scope": first["scope"]}]


def _event(event: dict[str, Any]) -> dict[str, Any]:
    fields = {
        field: event["tags"][tag] for tag, field in _EVENT_FIELDS.items() if event["tags"].get(tag)
    }
    tags = [
        f"{key}:{value}" if value else key
        for key, value in sorted(event["tags"].items())
        if not key.startswith("vdogstatsd_")
    ]
    if event.get("timestamp"):
        fields["timestamp_s"] = event["timestamp"]
    return {"title": event["title"], "text": event["text"], "tags": tags, **fields}


def _check(check: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": check["name"],
        "status": _STATUSES.index(check["status"]),
        "message": check["message"],
        "host": check["hostname"],
        "tags": check["tags"],
    }
