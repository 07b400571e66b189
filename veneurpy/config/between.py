"""What the settings of forwarding and owning demand of one another."""

from __future__ import annotations

import socket

from veneurpy.config.model import Config
from veneurpy.config.quantity import format_duration
from veneurpy.config.report import Report
from veneurpy.config.ring import Ring

MOST_HELD = 3
"""Intervals that an owner may hold: it has four open, one of which has not ended."""


def check_between_nodes(config: Config, report: Report) -> None:
    """Raises ConfigError for settings that contradict one another; warns of what does nothing."""
    if config.forward is not None:
        _check_ring("forward", config.forward, report)
    if config.forward is not None and config.forward_address:
        place = report.places.of(("forward_address",), key=True)
        report.mistake(place, '"forward_address" and "forward" are two ways to say it: leave one')
    if config.chain is not None:
        _check_ring("chain", config.chain, report)
        _check_chain(config, config.chain, report)
    _check_tls(config, report)
    _check_times(config, report)
    report.raise_mistakes()


def _check_ring(key: str, ring: Ring, report: Report) -> None:
    if not ring.members:
        report.mistake(report.places.of((key,), key=True), f'"{key}" needs "members"')
    kind, service = ring.discovery.kind, ring.discovery.service
    if kind in ("consul", "kubernetes") and not service:
        place = report.places.of((key, "discovery"), key=True)
        report.mistake(place, f'{key}.discovery: `kind: {kind}` needs "service"')
    if ring.discovery.nameservers and kind != "dns":
        place = report.places.of((key, "discovery", "nameservers"), key=True)
        what = f'{key}.discovery: "nameservers" has no effect without `kind: dns`'
        report.warning(place, what)
    finds = kind in ("consul", "kubernetes") or bool(service)
    for name, address in ring.members.items():
        if not (address or ":" in name or finds):
            place = report.places.of((key, "members", name))
            report.mistake(place, f'{key}.members.{name}: expected "host:port"')


def _check_chain(config: Config, ring: Ring, report: Report) -> None:
    """It leads from an owner, with a disk, to other nodes."""
    place = report.places.of(("chain",), key=True)
    if config.grpc_address is None:
        what = '"chain" is the way of what others forward to this node: it needs "grpc_address"'
        report.mistake(place, f'{what}; a host has "forward"')
    if not config.state_dir:
        what = '"chain" needs "state_dir": hosts let go of what is sealed here, and it would be'
        report.mistake(place, f"{what} in memory only until the next tier has sealed it too")
    if config.forward_address:
        what = '"chain" goes with "forward", the owners of this node\'s own tier, or with neither'
        report.mistake(place, f'{what}: leave "forward_address" out')
    own = {config.node_name or config.hostname or socket.gethostname()}
    own |= set() if config.forward is None else config.forward.members.keys()
    for name in sorted(own & ring.members.keys()):
        place = report.places.of(("chain", "members", name), key=True)
        what = f"chain.members.{name}: it belongs to this node's own tier"
        report.mistake(place, f"{what}, and what it seals would come back to it")


def _check_tls(config: Config, report: Report) -> None:
    client, server = config.tls, config.grpc_tls
    if client is not None and bool(client.cert_file) != bool(client.key_file):
        report.mistake(
            report.places.of(("tls",), key=True), "tls: cert_file and key_file go together"
        )
    if server is not None and not (server.certificate and server.key):
        place = report.places.of(("grpc_tls",), key=True)
        report.mistake(place, 'grpc_tls: "certificate" and "key" are needed')
    if server is not None and server.ring_admins and not server.authority:
        place = report.places.of(("grpc_tls", "ring_admins"), key=True)
        what = 'grpc_tls: "ring_admins" needs "authority": without it nobody shows a certificate'
        report.mistake(place, what)
    for key, used in (
        ("tls", config.forwards or config.chain is not None),
        ("grpc_tls", config.grpc_address is not None),
    ):
        if getattr(config, key) is not None and not used:
            needed = "forward_address" if key == "tls" else "grpc_address"
            what = f'"{key}" has no effect without "{needed}"'
            report.warning(report.places.of((key,), key=True), what)


def _check_times(config: Config, report: Report) -> None:
    if not (config.forwards or config.owns):
        return
    interval_ms = config.interval * 1000
    if abs(interval_ms - round(interval_ms)) > 1e-6:
        what = "interval: expected whole milliseconds where nodes forward to one another"
        report.mistake(report.places.of(("interval",)), what)
    most_s = MOST_HELD * config.interval
    if config.owns and config.global_hold_s > most_s + 1e-9:
        given, most = format_duration(config.global_hold_s), format_duration(most_s)
        what = f"global_hold: {given} is more than three intervals ({most})"
        hint = format_duration(config.interval)
        report.mistake(report.places.of(("global_hold",)), what, f"global_hold: {hint}")
