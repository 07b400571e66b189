"""Settings from environment variables."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.config.conftest import Complain, FileOptions, Load

VALUES = {
    "INTERVAL": ("5s", "interval", 5.0),
    "NUM_READERS": ("4", "num_readers", 4),
    "HOSTNAME": ("1234", "hostname", "1234"),
    "OMIT_EMPTY_HOSTNAME": ("true", "omit_empty_hostname", True),
    "PERCENTILES": ("0.5, .99", "percentiles", (0.5, 0.99)),
    "EXTEND_TAGS": ("a:b,5", "extend_tags", ("a:b", "5")),
    "AGGREGATES": ("max", "aggregates", ("max",)),
    "READ_BUFFER_SIZE_BYTES": ("4194304", "read_buffer_size_bytes", 4 << 20),
    "STORE_MAX_BYTES": ("64MiB", "store_max_bytes", 64 << 20),
    "LOG_LEVEL": ("error", "log_level", "error"),
    "HTTP_ADDRESS": ("", "http_address", None),
    "DIGEST_COMPRESSION": ("200", "digest_compression", 200.0),
    "FLUSH_TIMEOUT": ("1s", "flush_timeout", 1.0),
}


@pytest.mark.parametrize(
    ("name", "text", "key", "value"),
    [(name, *case) for name, case in VALUES.items()],
    ids=VALUES,
)
def test_reads_values_by_the_type_of_the_key(
    name: str, text: str, key: str, value: Any, load: Load
) -> None:
    """A variable is read as the type of its key: a number, a text, a list by its commas."""
    loaded = load(environ={f"VENEURPY_{name}": text})
    assert value == getattr(loaded.config, key)
    assert [] == loaded.warnings


def test_reads_lists_of_addresses(load: Load) -> None:
    """A list in a variable replaces that of the file."""
    loaded = load(environ={"VENEURPY_STATSD_LISTEN_ADDRESSES": "udp://:1,udp://:2"})
    assert ["udp://:1", "udp://:2"] == [str(url) for url in loaded.config.statsd_listen_addresses]


def test_reaches_into_sinks(load: Load) -> None:
    """`__` goes one level down; an index one beyond the last adds a sink."""
    environ = {
        "VENEURPY_METRIC_SINKS__0__NAME": "first",
        "VENEURPY_METRIC_SINKS__1__KIND": "localfile",
        "VENEURPY_METRIC_SINKS__1__CONFIG__FLUSH_FILE": "007",
        "VENEURPY_METRIC_SINKS__1__CONFIG__KEEP": "7",
        "VENEURPY_METRIC_SINKS__1__CONFIG__COLUMNS": "a,b",
    }
    first, second = load(environ=environ).config.metric_sinks
    assert ("first", "localfile") == (first.name, second.name)
    assert isinstance(second.config, FileOptions)
    assert ("007", 7, ("a", "b")) == (
        second.config.flush_file,
        second.config.keep,
        second.config.columns,
    )


def test_the_kind_may_come_after_the_options(load: Load) -> None:
    """The order of variables is that of their names and no matter."""
    environ = {
        "VENEURPY_METRIC_SINKS__0__CONFIG__FLUSH_FILE": "12",
        "VENEURPY_METRIC_SINKS__0__KIND": "localfile",
    }
    (entry,) = load(environ=environ).config.metric_sinks
    assert isinstance(entry.config, FileOptions)
    assert "12" == entry.config.flush_file


def test_a_whole_list_of_sinks_is_yaml(load: Load) -> None:
    """Lists of mappings are written as in the file."""
    environ = {"VENEURPY_METRIC_SINKS": "[{kind: console}, {kind: debug, name: d}]"}
    assert ["console", "d"] == [entry.name for entry in load(environ=environ).config.metric_sinks]


MISTAKES = {
    "INTERVAL": ("10", "interval: expected a duration with its unit"),
    "NUM_READERS": ("many", 'num_readers: expected a whole number, found "many"'),
    "PERCENTILES": ("0.5,99", "percentiles[1]: expected a fraction from 0 to 1"),
    "METRIC_SINKS__0__KIND": ("consol", 'unknown kind of sink "consol"'),
    "METRIC_SINKS__0__FOO": ("1", 'unknown key "foo" in metric_sinks[0]'),
    "METRIC_SINKS__5__KIND": ("console", "no such place in the configuration"),
    "INTERVAL__X": ("1", "interval: expected a duration"),
    "STATE_DIR": ("/x", 'needs "arena_dir" beside it'),
    "METRIC_SINKS__0__CONFIG": ("5", "expected a mapping"),
}


@pytest.mark.parametrize(
    ("name", "text", "says"), [(name, *case) for name, case in MISTAKES.items()], ids=MISTAKES
)
def test_a_mistake_names_the_variable(name: str, text: str, says: str, complain: Complain) -> None:
    """What came from a variable has its name instead of a line."""
    message = complain(environ={f"VENEURPY_{name}": text})
    assert message.startswith(f"VENEURPY_{name}: ")
    assert says in message


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("VENEURPY_INTERVALL", "no such setting, did you mean VENEURPY_INTERVAL?"),
        ("VENEURPY_XYZZY", "no such setting"),
        ("VENEUR_NUMREADER", "no setting of Veneur, did you mean VENEUR_NUMREADERS?"),
        ("VENEURPY_NUM_WORKERS", '"num_workers" has no effect'),
    ],
)
def test_a_variable_without_effect_is_warned_about(name: str, says: str, load: Load) -> None:
    """A variable that sets nothing may be another program's, and may be a slip."""
    (warning,) = load(environ={name: "1"}).warnings
    assert warning.startswith(f"{name}: {says}")


@pytest.mark.parametrize(
    "name",
    [
        "VENEURPY_SERVICE_HOST",
        "VENEURPY_SERVICE_PORT_STATSD",
        "VENEURPY_PORT",
        "VENEURPY_PORT_8125_UDP_ADDR",
        "VENEUR_PORT_8125_UDP",
        "VENEUR_EMIT_TRACE_ID",
        "PATH",
        "veneurpy_interval",
    ],
)
def test_variables_of_others_are_passed_over(name: str, load: Load) -> None:
    """Kubernetes sets variables for every service, also for one of our name."""
    assert [] == load(environ={name: "tcp://10.0.0.1:8125"}).warnings


def test_variables_of_veneur_are_read(load: Load) -> None:
    """VENEUR_ and Go's field name set the key too, below VENEURPY_, and are warned about."""
    environ = {
        "VENEUR_NUMREADERS": "3",
        "VENEUR_INTERVAL": "7s",
        "VENEURPY_INTERVAL": "8s",
        "VENEUR_TLS_CAFILE": "/ca",
    }
    loaded = load(environ=environ)
    assert (3, 8.0) == (loaded.config.num_readers, loaded.config.interval)
    assert [
        "VENEUR_INTERVAL: read as Veneur does; the name here is VENEURPY_INTERVAL",
        "VENEUR_NUMREADERS: read as Veneur does; the name here is VENEURPY_NUM_READERS",
        "VENEUR_TLS_CAFILE: read as Veneur does; the name here is VENEURPY_TLS__CA_FILE",
        'VENEUR_TLS_CAFILE: "tls" has no effect without "forward_address"',
    ] == loaded.warnings
