"""Veneur's server configuration, key by key: what loads, what is warned about, what is refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from veneurpy.config.model import Config
from veneurpy.config.place import Path
from veneurpy.config.quantity import format_duration
from veneurpy.config.repeater import with_repeaters
from veneurpy.config.report import Report
from veneurpy.config.veneur_older import OLDER_KEYS, translate_older
from veneurpy.config.veneur_proxy import PROXY_IGNORED, PROXY_KEYS, translate_proxy

NOT_YET = "not supported by this version"

IGNORED: Mapping[str, str] = {
    "block_profile_rate": "profiles of the Go runtime do not exist here",
    "count_unique_timeseries": "the number of series is always counted, see /metrics",
    "enable_profiling": "profiles of the Go runtime do not exist here",
    "features": "routing and Go diagnostics do not exist here: every sink gets every point",
    "flush_on_shutdown": "what was received is never dropped at the shutdown, see `shutdown`",
    "flush_watchdog_missed_flushes": "the watchdog is systemd's (`WatchdogSec=`)",
    "http": "/config is always served, with secrets as ***",
    "http_quit": "the node is stopped by SIGTERM only",
    "indicator_span_timer_name": "spans are not received",
    "metric_sink_routing": "every sink gets every point, whatever the rules say",
    "mutex_profile_fraction": "profiles of the Go runtime do not exist here",
    "num_span_workers": "spans are not received",
    "num_workers": "each reader aggregates what it receives; set num_readers instead",
    "objective_span_timer_name": "spans are not received",
    "sentry_dsn": "errors are logged and counted, and not sent to Sentry",
    "sources": "nothing is scraped: the metrics of these sources are missing",
    "span_channel_capacity": "spans are not received",
    "span_sinks": "spans are not received, so none reach these sinks",
    "ssf_listen_addresses": "no SSF listens there: spans and samples sent to it are lost",
    "tags_exclude": "all of them are published: write `filters` with `strip_tags`, for all sinks",
    "trace_max_length_bytes": "spans are not received",
    "veneur_metrics_scopes": "the node's own metrics have no scope",
}
"""Keys of Veneur that load and do nothing, with what follows from that."""

TRANSLATED = ("debug", "synchronize_with_interval")
"""Keys of Veneur that load and are understood, but are no keys of ours."""

REFUSED_SINK_KEYS = ("add_tags", "max_name_length", "max_tag_length", "max_tags", "strip_tags")
"""Keys of Veneur beside a sink's `config`. Points would go out that they are meant to keep in."""

REFUSED_SINK_OPTIONS: Mapping[tuple[str, str], str] = {
    ("localfile", "delimiter"): f'"delimiter" and Veneur\'s row layout are {NOT_YET}: write '
    "`format: csv`, `format: tsv` or `format: jsonl` instead",
}

VENEUR_SINKS = frozenset(
    {
        "channel",
        "cloudwatch",
        "cortex",
        "datadog",
        "falconer",
        "kafka",
        "lightstep",
        "newrelic",
        "s3",
        "signalfx",
        "splunk",
    }
)
"""Kinds of Veneur's sinks that are not in this version."""

_ZERO_IS_DEFAULT = ("interval", "metric_max_length", "num_readers", "read_buffer_size_bytes")
SHARED_WITH_VENEUR = (
    "aggregates",
    "extend_tags",
    "forward_address",
    "grpc_address",
    "grpc_listen_addresses",
    "hostname",
    "http_address",
    "interval",
    "metric_max_length",
    "metric_sinks",
    "num_readers",
    "omit_empty_hostname",
    "percentiles",
    "read_buffer_size_bytes",
    "stats_address",
    "statsd_listen_addresses",
    "tls",
    "tls_authority_certificate",
    "tls_certificate",
    "tls_key",
    "veneur_metrics_additional_tags",
)
"""Keys of Veneur that are keys of ours, with the same meaning."""

VENEUR_KEYS = frozenset({*SHARED_WITH_VENEUR, *TRANSLATED, *IGNORED})
"""Every key of Veneur's server configuration."""


def top_keys() -> list[str]:
    """Every key that may be at the top of a file, whatever becomes of it."""
    return [*Config.model_fields, *IGNORED, *TRANSLATED, *PROXY_KEYS]


def translate(data: dict[str, Any], report: Report) -> dict[str, Any]:
    """Reads what is Veneur's and returns what is left for the model; `data` stays as it is."""
    left = {k: v for k, v in data.items() if k not in OLDER_KEYS or _says_something(v)}
    translate_older(left, report)
    translate_proxy(left, report)
    _warn_of_new_meaning(left, report)
    ignored = {**IGNORED, **PROXY_IGNORED}
    for key in [key for key in left if key in ignored]:
        value = left.pop(key)
        if _says_something(value) or key == "flush_on_shutdown":
            place = report.places.of((key,), key=True)
            report.warning(place, f'"{key}" has no effect: {ignored[key]}')
    for key in ("forward_address", "tls"):
        if key in left and not _says_something(left[key]):
            del left[key]
    _translate_debug(left, report)
    _translate_synchronize(left, report)
    _replace_zeros(left, report)
    entries = _without_refused_keys(left.get("metric_sinks"), report)
    left["metric_sinks"] = with_repeaters(entries, report)
    return left


def _says_something(value: Any) -> bool:
    """Whether a value differs from Go's zero, which is what Veneur takes for "not given"."""
    if isinstance(value, dict):
        return any(_says_something(inner) for inner in value.values())
    if isinstance(value, list):
        return any(_says_something(inner) for inner in value)
    return bool(value)


def _warn_of_new_meaning(data: Mapping[str, Any], report: Report) -> None:
    """Only in files that were Veneur's, to be told by a key that nobody else writes."""
    if "metric_max_length" in data and any(key in IGNORED for key in data):
        report.warning(
            report.places.of(("metric_max_length",), key=True),
            "a datagram longer than metric_max_length is cut and its complete lines count; "
            "Veneur drops all of it",
        )


def _translate_debug(data: dict[str, Any], report: Report) -> None:
    debug = data.pop("debug", None)
    path: Path = ("debug",)
    if debug is None or debug is False:
        return
    if debug is not True:
        report.mistake(report.places.of(path), "debug: expected true or false")
    elif data.get("log_level") not in (None, "debug"):
        what = '"debug" has no effect: "log_level" is given too, and counts'
        report.warning(report.places.of(path, key=True), what)
    else:
        data["log_level"] = "debug"


def _translate_synchronize(data: dict[str, Any], report: Report) -> None:
    synchronize = data.pop("synchronize_with_interval", None)
    path: Path = ("synchronize_with_interval",)
    if synchronize is False:
        what = '"synchronize_with_interval" has no effect: intervals are always aligned'
        report.warning(report.places.of(path, key=True), f"{what} with the clock")
    elif synchronize not in (None, True):
        report.mistake(report.places.of(path), "synchronize_with_interval: expected true or false")


def _replace_zeros(data: dict[str, Any], report: Report) -> None:
    for key in _ZERO_IS_DEFAULT:
        value = data.get(key)
        zero_duration = key == "interval" and value in ("0", "0s", "0ms", "0m", "0h")
        if not (zero_duration or (value == 0 and type(value) is int and key != "interval")):
            continue
        default = Config.model_fields[key].default
        text = format_duration(default) if key == "interval" else str(default)
        report.warning(
            report.places.of((key,)), f"{key}: zero means the default, {text}, as in Veneur"
        )
        del data[key]


def _without_refused_keys(entries: Any, report: Report) -> Any:
    if not isinstance(entries, list):
        return entries
    kept = []
    for index, entry in enumerate(entries):
        if isinstance(entry, dict):
            for key in (key for key in REFUSED_SINK_KEYS if _says_something(entry.get(key))):
                place = report.places.of(("metric_sinks", index, key), key=True)
                what = f'"{key}" of a sink is {NOT_YET}'
                if key in ("add_tags", "strip_tags"):
                    what += f": `filters` have `{key}`, for all sinks"
                report.mistake(place, what)
            entry = {key: value for key, value in entry.items() if key not in REFUSED_SINK_KEYS}
        kept.append(entry)
    return kept
