"""Keys that Veneur had up to 14.2, its last release: of sinks beside `metric_sinks`, and others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from veneurpy.config.report import Report

_SINK = "the sink `{}` is not supported by this version; those there are: docs/sinks.md"
_SPANS = "spans are not received, so none reach this sink"
_GRPC = "forwarding is by gRPC: write `forward_address: HOST:PORT` or `forward_addresses`"

OLDER_REFUSED: Mapping[str, str] = {
    "aws_s3_bucket": _SINK.format("s3"),
    "consul_forward_grpc_service_name": "write `forward` with the members of the ring, and "
    "`discovery: {kind: consul, service: …}` for their addresses",
    "consul_forward_service_name": _GRPC,
    "datadog_api_key": _SINK.format("datadog"),
    "flush_file": "write a sink: `metric_sinks: [{kind: localfile, config: {flush_file: …}}]`",
    "grpc_forward_address": _GRPC,
    "kafka_broker": _SINK.format("kafka"),
    "newrelic_insert_key": _SINK.format("newrelic"),
    "prometheus_repeater_address": "write a sink: "
    "`metric_sinks: [{kind: statsd, config: {address: tcp://HOST:PORT}}]`",
    "signalfx_api_key": _SINK.format("signalfx"),
    "tags": "write `extend_tags`: all that is received gets them, what is forwarded too",
}
"""Keys whose points or tags would be missing, with what to do about it."""

OLDER_IGNORED: Mapping[str, str] = {
    "consul_trace_service_name": "spans are not received",
    "debug_flushed_metrics": "a sink of `kind: debug` shows points in the log",
    "debug_ingested_spans": "spans are not received",
    "falconer_address": _SPANS,
    "lightstep_access_token": _SPANS,
    "splunk_hec_address": _SPANS,
    "ssf_destination_address": "spans are not sent; own metrics go to `stats_address`",
    "trace_address": "spans are not received",
    "trace_lightstep_access_token": _SPANS,
    "xray_address": _SPANS,
}
"""Keys that load and do nothing, with what follows from that."""

_DETAILS = """
aws_access_key_id aws_region aws_secret_access_key
consul_refresh_interval
datadog_api_hostname datadog_exclude_tags_prefix_by_prefix_metric datadog_flush_max_per_body
datadog_metric_name_prefix_drops datadog_span_buffer_size datadog_trace_api_address
flush_max_per_body forward_use_grpc idle_connection_timeout
kafka_check_topic kafka_event_topic kafka_metric_buffer_bytes kafka_metric_buffer_frequency
kafka_metric_buffer_messages kafka_metric_require_acks kafka_metric_topic kafka_partitioner
kafka_retry_max kafka_span_buffer_bytes kafka_span_buffer_frequency kafka_span_buffer_mesages
kafka_span_require_acks kafka_span_sample_rate_percent kafka_span_sample_tag
kafka_span_serialization_format kafka_span_topic
lightstep_collector_host lightstep_maximum_spans lightstep_num_clients
lightstep_reconnect_period max_idle_conns max_idle_conns_per_host
newrelic_account_id newrelic_common_tags newrelic_event_type newrelic_region
newrelic_service_check_event_type newrelic_trace_observer_url prometheus_network_type
signalfx_dynamic_per_tag_api_keys_enable signalfx_dynamic_per_tag_api_keys_refresh_period
signalfx_endpoint_api signalfx_endpoint_base signalfx_flush_max_per_body signalfx_hostname_tag
signalfx_metric_name_prefix_drops signalfx_metric_tag_prefix_drops signalfx_per_tag_api_keys
signalfx_vary_key_by signalfx_vary_key_by_favor_common_dimensions
splunk_hec_batch_size splunk_hec_connection_lifetime_jitter splunk_hec_ingest_timeout
splunk_hec_max_connection_lifetime splunk_hec_send_timeout splunk_hec_submission_workers
splunk_hec_tls_validate_hostname splunk_hec_token splunk_span_sample_rate ssf_buffer_size
trace_api_address trace_lightstep_collector_host trace_lightstep_maximum_spans
trace_lightstep_num_clients trace_lightstep_reconnect_period tracing_client_capacity
tracing_client_flush_interval tracing_client_metrics_interval
xray_annotation_tags xray_sample_percentage
"""
OLDER_DETAILS = frozenset(_DETAILS.split())
"""Details of what another key asks for, which is refused or warned about: passed over."""

OLDER_KEYS = frozenset({*OLDER_REFUSED, *OLDER_IGNORED, *OLDER_DETAILS})


def translate_older(given: dict[str, Any], report: Report) -> None:
    """Takes these keys out of `given`, which has none that says nothing."""
    for key in [key for key in given if key in OLDER_DETAILS]:
        del given[key]
    for key in [key for key in given if key in OLDER_IGNORED]:
        del given[key]
        place = report.places.of((key,), key=True)
        report.warning(place, f'"{key}" has no effect: {OLDER_IGNORED[key]}')
    for key in [key for key in given if key in OLDER_REFUSED]:
        del given[key]
        place = report.places.of((key,), key=True)
        report.mistake(place, f'"{key}" of Veneur 14.2: {OLDER_REFUSED[key]}')
