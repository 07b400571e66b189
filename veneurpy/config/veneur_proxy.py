"""The configuration of veneur-proxy, key by key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from veneurpy.config.report import Report

PROXY_IGNORED: Mapping[str, str] = {
    "dial_timeout": "connections are made anew whenever they break; a call takes `forward_timeout`",
    "discovery_interval": "addresses are followed as they change, see `forward.discovery`",
    "grpc_server": "idle connections are closed after a quarter of an hour",
    "grpc_tls_address": "gRPC listens at grpc_address only, with TLS if there is `grpc_tls`",
    "runtime_metrics_interval": "the node's own metrics are sent after each flush",
    "send_buffer_size": "what waits for an owner is bounded by `forward_max_bytes`",
    "statsd": "set `stats_address` for the node's own metrics",
}
"""Keys of veneur-proxy that load and do nothing, with what follows from that."""

PROXY_TRANSLATED = ("forward_addresses", "forward_service", "ignore_tags")
"""Keys of veneur-proxy that become a `forward`."""

PROXY_KEYS = frozenset({*PROXY_IGNORED, *PROXY_TRANSLATED})
"""Keys that only a configuration of veneur-proxy has."""


def translate_proxy(data: dict[str, Any], report: Report) -> None:
    """Makes `forward` of the keys of a proxy: its ring, over the addresses of the owners."""
    given = {key: data.pop(key) for key in PROXY_TRANSLATED if key in data}
    given = {key: value for key, value in given.items() if value}
    if not given:
        return
    first = "forward_addresses" if "forward_addresses" in given else next(iter(given))
    place = report.places.of((first,), key=True)
    addresses = given.get("forward_addresses")
    if data.get("forward") is not None or data.get("forward_address"):
        report.mistake(place, f'"{first}" and "forward" are two ways to say it: leave one')
    elif not isinstance(addresses, list) or not all(isinstance(each, str) for each in addresses):
        report.mistake(place, _members_missing(given))
    else:
        _make_ring(data, addresses, given.get("ignore_tags"), report)
        what = "are a ring, as with `forward.members` and `hash: veneur`"
        report.warning(place, f'the owners of "forward_addresses" {what}')
        _drop_tls(data, report)


def _make_ring(
    data: dict[str, Any], addresses: Sequence[str], ignored: Any, report: Report
) -> None:
    data["forward"] = {
        "members": dict.fromkeys(addresses, ""),
        "hash": "veneur",
        "ignore_tags": _ignored(ignored),
    }
    places = report.places.values
    for ours, theirs in (("members", "forward_addresses"), ("ignore_tags", "ignore_tags")):
        if (mark := places.get((theirs,))) is not None:
            places[("forward", ours)] = mark


def _drop_tls(data: dict[str, Any], report: Report) -> None:
    """A veneur-proxy shows this where it receives, and speaks to the owners in the clear."""
    tls = data.get("tls")
    if isinstance(tls, Mapping) and any(tls.values()):
        del data["tls"]
        what = 'of a veneur-proxy is for "grpc_tls_address": write "grpc_tls" for "grpc_address"'
        report.warning(report.places.of(("tls",), key=True), f'"tls" {what}')


def _members_missing(given: Mapping[str, Any]) -> str:
    if "forward_service" in given:
        return (
            'the members of a ring are named here and not discovered: list them in "forward" with '
            "`discovery: {kind: consul, service: …}` for their addresses"
        )
    return 'expected "forward_addresses" as a list of host:port'


def _ignored(matchers: Any) -> Any:
    """Veneur's matchers have a field more, which says nothing if it is false."""
    if not isinstance(matchers, list):
        return matchers or []
    return [
        {key: value for key, value in each.items() if key != "unset" or value}
        if isinstance(each, dict)
        else each
        for each in matchers
    ]
