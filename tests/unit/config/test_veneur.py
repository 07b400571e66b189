"""Veneur's server configuration."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.conftest import Complain, Load
from veneurpy.config.veneur import IGNORED, REFUSED_SINK_KEYS, VENEUR_KEYS
from veneurpy.config.veneur_proxy import PROXY_IGNORED

EXAMPLE = (Path(__file__).parent / "data" / "veneur.yaml").read_text()
DOCS = Path(__file__).parents[3] / "docs"
EVERY_KEY = frozenset(
    {
        "aggregates",
        "block_profile_rate",
        "count_unique_timeseries",
        "debug",
        "enable_profiling",
        "extend_tags",
        "features",
        "flush_on_shutdown",
        "flush_watchdog_missed_flushes",
        "forward_address",
        "grpc_address",
        "grpc_listen_addresses",
        "hostname",
        "http",
        "http_address",
        "http_quit",
        "indicator_span_timer_name",
        "interval",
        "metric_max_length",
        "metric_sink_routing",
        "metric_sinks",
        "mutex_profile_fraction",
        "num_readers",
        "num_span_workers",
        "num_workers",
        "objective_span_timer_name",
        "omit_empty_hostname",
        "percentiles",
        "read_buffer_size_bytes",
        "sentry_dsn",
        "sources",
        "span_channel_capacity",
        "span_sinks",
        "ssf_listen_addresses",
        "stats_address",
        "statsd_listen_addresses",
        "synchronize_with_interval",
        "tags_exclude",
        "tls",
        "tls_authority_certificate",
        "tls_certificate",
        "tls_key",
        "trace_max_length_bytes",
        "veneur_metrics_additional_tags",
        "veneur_metrics_scopes",
    }
)
"""The keys of Veneur's Config."""

SAYS_SOMETHING = {
    "features": "{diagnostics_metrics_enabled: true}",
    "flush_on_shutdown": "true",
    "http": "{config: true}",
    "metric_sink_routing": "[{name: a}]",
    "sources": "[{kind: openmetrics}]",
    "span_sinks": "[{kind: debug}]",
    "veneur_metrics_scopes": "{counter: local}",
}


def test_a_veneur_file_loads(load: Load) -> None:
    """A host's Veneur file runs, and each thing that is different is said once, with its line."""
    loaded = load(EXAMPLE, bare=True)
    assert ["udp://localhost:8126"] == [str(url) for url in loaded.config.statsd_listen_addresses]
    assert (4, 4096, "debug") == (
        loaded.config.num_readers,
        loaded.config.metric_max_length,
        loaded.config.log_level,
    )
    assert () == loaded.config.extend_tags
    assert [
        "ssf_listen_addresses",
        "synchronize_with_interval",
        "http",
        "num_workers",
        "num_span_workers",
        "span_channel_capacity",
        "metric_max_length",
        "trace_max_length_bytes",
        "flush_on_shutdown",
        "indicator_span_timer_name",
        "features",
        "veneur_metrics_scopes",
        "span_sinks",
    ] == [EXAMPLE.splitlines()[int(w.split(":")[1]) - 1].split(":")[0] for w in loaded.warnings]
    assert "veneur-global.example.com:8128" == loaded.config.forward_address


def test_every_key_of_veneur_is_known() -> None:
    """No key of Veneur's server configuration is an unknown one."""
    assert EVERY_KEY == VENEUR_KEYS


@pytest.mark.parametrize("key", sorted(IGNORED))
def test_a_key_without_effect_is_warned_about(key: str, load: Load) -> None:
    """A key that loads and does nothing says so, and what follows from that."""
    warnings = load(f"{key}: {SAYS_SOMETHING.get(key, 1)}").warnings
    assert [f'f.yaml:3:1: "{key}" has no effect: {IGNORED[key]}'] == warnings


@pytest.mark.parametrize("value", ['""', "0", "false", "[]", '[""]', "{}", "{a: {b: 0}}", ""])
def test_a_key_that_says_nothing_is_passed_over(value: str, load: Load) -> None:
    """Go's zero value is "not given", and no warning is due."""
    assert [] == load(f"forward_address: {value}").warnings


def test_own_metrics_go_where_veneurs_go(load: Load, complain: Complain) -> None:
    """The address and the tags are read; tags without an address are warned about."""
    tags = 'veneur_metrics_additional_tags: ["env:prod", ""]'
    config = load(f"stats_address: localhost:8126\n{tags}").config
    assert "localhost:8126" == str(config.stats_address)
    assert ("env:prod",) == config.veneur_metrics_additional_tags
    assert [
        'f.yaml:3:1: "veneur_metrics_additional_tags" has no effect: "stats_address" is empty'
    ] == load(tags).warnings
    assert "cannot contain a pipe" in complain('veneur_metrics_additional_tags: ["a|b"]')


def test_debug_is_a_log_level(load: Load) -> None:
    """`debug: true` means log_level debug, unless log_level says something else."""
    assert "info" == load("debug: false").config.log_level
    assert "debug" == load("debug: true").config.log_level
    loaded = load("debug: true\nlog_level: error")
    assert "error" == loaded.config.log_level
    assert ['f.yaml:3:1: "debug" has no effect: "log_level" is given too, and counts'] == (
        loaded.warnings
    )


@pytest.mark.parametrize("key", ["debug", "synchronize_with_interval"])
def test_translated_keys_are_checked(key: str, complain: Complain) -> None:
    """A key that is understood has a type."""
    assert f"{key}: expected true or false" in complain(f"{key}: maybe")


def test_intervals_are_always_aligned(load: Load) -> None:
    """Only the wish for the contrary is warned about."""
    assert [] == load("synchronize_with_interval: true").warnings
    assert 1 == len(load("synchronize_with_interval: false").warnings)


def test_the_new_meaning_of_metric_max_length_is_told_to_veneurs_files_only(load: Load) -> None:
    """Who writes a file for this program is not told what another one does."""
    assert [] == load("metric_max_length: 1000").warnings
    loaded = load("metric_max_length: 1000\nnum_workers: 0")
    assert "a datagram longer than metric_max_length is cut" in loaded.warnings[0]


@pytest.mark.parametrize("key", REFUSED_SINK_KEYS)
def test_what_keeps_points_in_is_not_ignored(key: str, complain: Complain, load: Load) -> None:
    """A limit of a sink that is not applied is a mistake; one that is zero is none."""
    text = "statsd_listen_addresses: [udp://:0]\nmetric_sinks: [{kind: debug, KEY: VALUE}]"
    text = text.replace("KEY", key)
    assert f'"{key}" of a sink is not supported by this version' in complain(
        text.replace("VALUE", "1"), bare=True
    )
    assert [] == load(text.replace("VALUE", "0"), bare=True).warnings


@pytest.mark.parametrize("key", sorted(PROXY_IGNORED))
def test_a_key_of_a_proxy_without_effect_is_warned_about(key: str, load: Load) -> None:
    """Veneur's proxy has more to say than is needed here."""
    assert [f'f.yaml:3:1: "{key}" has no effect: {PROXY_IGNORED[key]}'] == load(
        f"{key}: 1"
    ).warnings


def test_the_file_of_a_proxy_is_a_ring_of_veneurs(load: Load) -> None:
    """Its owners are members by their addresses, its matchers stay."""
    loaded = load(
        "grpc_address: :8128\nforward_addresses: [a:1, b:2]\n"
        "ignore_tags: [{kind: prefix, value: pod, unset: false}]",
        bare=True,
    )
    ring = loaded.config.forward
    assert ring is not None
    assert ({"a:1": "", "b:2": ""}, "veneur") == (ring.members, ring.hash)
    assert [("prefix", "pod")] == [(tag.kind, tag.value) for tag in ring.ignore_tags]
    assert not loaded.config.owns
    assert [
        'f.yaml:2:1: the owners of "forward_addresses" are a ring, as with `forward.members` and '
        "`hash: veneur`"
    ] == loaded.warnings


def test_what_a_proxy_shows_is_not_shown_to_owners(load: Load) -> None:
    """The `tls` of a veneur-proxy is for where it receives: owners are spoken to in the clear."""
    loaded = load(
        "grpc_address: :8128\nforward_addresses: [a:1]\n"
        "tls: {ca_file: a, cert_file: b, key_file: c, server_name: ''}",
        bare=True,
    )
    assert loaded.config.tls is None
    assert (
        'f.yaml:3:1: "tls" of a veneur-proxy is for "grpc_tls_address": write "grpc_tls" for '
        '"grpc_address"'
    ) in loaded.warnings


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param("forward_service: v", "the members of a ring are named here", id="service"),
        pytest.param("ignore_tags: []\nforward_addresses: 1", "as a list", id="no list"),
        pytest.param("forward_addresses: [a:1]\nforward_address: b:1", "two ways", id="twice"),
        pytest.param("forward_addresses: [a]", 'expected "host:port"', id="no port"),
    ],
)
def test_the_file_of_a_proxy_is_checked(text: str, says: str, complain: Complain) -> None:
    """What cannot be a ring is a mistake."""
    assert says in complain(text)


def test_the_migration_page_names_every_key() -> None:
    """The page says of each key of Veneur what becomes of it, once and in order."""
    page = (DOCS / "migration-from-veneur.md").read_text()
    table = page.split("## Key by key")[1].split("##")[0]
    rows = [row.split("`")[1] for row in table.splitlines() if row.startswith("| `")]
    assert sorted(EVERY_KEY) == rows
