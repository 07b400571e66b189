"""Veneur's `prometheus` sink with a `repeater_address`: here the sink `statsd`."""

from __future__ import annotations

from typing import Any

from veneurpy.config.address import SEND_SCHEMES, SendUrl, parse_send_url
from veneurpy.config.place import Path, dotted
from veneurpy.config.report import Report
from veneurpy.config.wrong import Wrong, shown

_ADDRESS, _NETWORK = "repeater_address", "network_type"


def with_repeaters(entries: Any, report: Report) -> Any:
    """The entries of `metric_sinks`, with those that repeat to a statsd_exporter as `statsd`."""
    if not isinstance(entries, list):
        return entries
    return [_translated(entry, ("metric_sinks", i), report) for i, entry in enumerate(entries)]


def _translated(entry: Any, path: Path, report: Report) -> Any:
    if not isinstance(entry, dict) or entry.get("kind") != "prometheus":
        return entry
    options = entry.get("config")
    if not isinstance(options, dict) or not {_ADDRESS, _NETWORK} & options.keys():
        return entry
    rest = {key: value for key, value in options.items() if key not in (_ADDRESS, _NETWORK)}
    at = (*path, "config")
    if not options.get(_ADDRESS):
        if options.get(_NETWORK):
            what = f'"{_NETWORK}" has no effect without "{_ADDRESS}"'
            report.warning(report.places.of((*at, _NETWORK), key=True), what)
        return {**entry, "config": rest}
    address = _address(options, at, report)
    what = f'with "{_ADDRESS}" the sink is veneurpy\'s `statsd`: {dotted(path)} repeats its points'
    report.warning(report.places.of((*at, _ADDRESS), key=True), what)
    name = entry.get("name") or "prometheus"
    return {**entry, "kind": "statsd", "name": name, "config": {**rest, "address": address}}


def _address(options: dict[str, Any], at: Path, report: Report) -> SendUrl:
    """Where to send; after a mistake, anywhere."""
    written, network = options[_ADDRESS], options.get(_NETWORK)
    if network not in SEND_SCHEMES:
        place = report.places.of((*at, _NETWORK))
        report.mistake(place, f"{_NETWORK}: expected udp or tcp, found {shown(network)}")
        network = "udp"
    try:
        # Veneur asks for something that passes for a URL, and sends to its host and port.
        bare = written.partition("://")[2] or written if isinstance(written, str) else written
        return parse_send_url(f"{network}://{bare}" if isinstance(bare, str) else bare)
    except Wrong as wrong:
        report.mistake(report.places.of((*at, _ADDRESS)), f"{dotted((*at, _ADDRESS))}: {wrong}")
        return SendUrl("udp", "127.0.0.1", 1)
