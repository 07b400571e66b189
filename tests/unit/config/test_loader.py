"""From a file, the environment and flags to a Config."""

from __future__ import annotations

import pkgutil
from contextlib import suppress
from importlib import import_module
from inspect import isfunction
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import PlainSerializer

from tests.unit.config.conftest import KINDS, QUIET, Complain, FileOptions, Load
from veneurpy import config
from veneurpy.config import Config, LoadedConfig, effective, load_config, parse_config, to_yaml
from veneurpy.errors import ConfigError

DATA = Path(__file__).parent / "data"


def test_shows_every_mistake_with_its_line() -> None:
    """All mistakes are shown at once: place, line, caret, what was expected, what was meant."""
    with pytest.raises(ConfigError) as raised:
        parse_config((DATA / "wrong.yaml").read_text(), source="wrong.yaml", sinks=KINDS)
    assert (DATA / "wrong.txt").read_text() == f"{raised.value}\n"


WRONG = {
    "not a text": ("hostname: 12", "3:11: hostname: expected a text, found the number 12", '"12"'),
    "yes is no text": ("hostname: yes", "hostname: expected a text, found true", '"true"'),
    "not a number": ('num_readers: "4"', 'expected a whole number, found "4"', "4 (without"),
    "no fraction": ("num_readers: 1.5", "expected a whole number, found the number 1.5", ""),
    "true is no number": ("num_readers: true", "expected a whole number, found true", ""),
    "too small": ("num_readers: -1", "expected at least 1, found the number -1", ""),
    "too large": ("sink_queue_batches: 65", "expected at most 64, found the number 65", ""),
    "too small a size": ("store_max_bytes: 1MB", 'expected at least 16MiB, found "1MB"', ""),
    "not a list": ("percentiles: 0.5", "expected a list (`- item` lines, or [a, b])", ""),
    "not true or false": ("omit_empty_hostname: 1", "expected true or false", ""),
    "no choice": ("log_level: warn", "expected one of debug, info, warning, error", "warning"),
    "nearly a choice": ("engine: pyhton", 'found "pyhton"', "python"),
    "percentile": ("percentiles: [1.5]", "expected a fraction from 0 to 1", "0.015"),
    "percentile below": ("percentiles: [-0.5]", "expected a fraction from 0 to 1", ""),
    "not a number at all": ("percentiles: [.nan]", "expected a fraction from 0 to 1", ""),
    "twice in a list": ("percentiles: [.5, 0.50]", "percentiles: 0.5 is listed twice", ""),
    "comma in a tag": ('extend_tags: ["a:b,c"]', "a tag cannot contain a comma", ""),
    "control in a tag": ('extend_tags: ["a\\x01"]', "without control characters", ""),
    "short interval": ("interval: 1ms", "at least 10ms", ""),
    "duration in days": ("late_window: 1d", 'unknown unit "d"', ""),
    "no size": ("store_max_bytes: much", "expected a size in bytes", ""),
    "unknown key": ("num-readers: 1", '3:1: unknown key "num-readers"', "num_readers"),
    "key of Veneur": ("forward_adress: a", 'unknown key "forward_adress"', "forward_address"),
    "nothing near": ("xyzzy: a", 'unknown key "xyzzy"', ""),
    "duplicate": ("interval: 5s\ninterval: 6s", '4:1: the key "interval" is already in line 3', ""),
    "handover": ("shutdown: handover", "`handover` needs state_dir and arena_dir", ""),
    "state_dir alone": ("state_dir: /a", '3:1: "state_dir" needs "arena_dir" beside it', ""),
    "arena_dir alone": ("arena_dir: /a", '3:1: "arena_dir" needs "state_dir" beside it', ""),
    "one directory": ("state_dir: /a\narena_dir: /a/", "are the same directory", ""),
    "budget without a prefix": ("budgets: [{max_series: 1}]", 'the key "prefix" is missing', ""),
    "budget for all": (
        'budgets: [{prefix: ""}]',
        "3:20: budgets[0].prefix: expected a text that is not empty",
        "",
    ),
    "unknown key of a budget": (
        "budgets:\n  - prefix: a.\n    max_serie: 1",
        '5:5: unknown key "max_serie" in budgets[0]',
        "max_series",
    ),
    "budget out of reach": (
        "budgets:\n  - prefix: a.\n  - prefix: a.b.\n    max_series: 1",
        '5:13: budgets[1].prefix: no name gets here: "a." above takes all of them',
        "",
    ),
    "store for so many readers": (
        "num_readers: 128\nstore_max_bytes: 16MiB",
        "4:18: store_max_bytes: 128 readers (num_readers for each listener) need at least 256MiB",
        "",
    ),
    "http without an address": (
        'http_address: ""\nhttp_statsd: true',
        '3:1: lines by HTTP ("http_statsd", or "http:" among the addresses) need "http_address"',
        "",
    ),
    "inner duplicate": ("http: {a: 1, a: 2}", '3:14: the key "a" is already in line 3', ""),
}


@pytest.mark.parametrize(("text", "says", "meant"), WRONG.values(), ids=WRONG)
def test_refuses(text: str, says: str, meant: str, complain: Complain) -> None:
    """One mistake is one message that says where, what was expected and what was probably meant."""
    message = complain(text)
    assert message.startswith("f.yaml:")
    assert message.endswith("\n\n1 mistake in f.yaml")
    assert says in message
    assert bool(meant) == ("did you mean" in message)
    assert f"did you mean {meant}" in message or not meant


def test_the_python_engine_keeps_nothing(complain: Complain) -> None:
    """Neither directory is a promise that it could keep."""
    message = complain("engine: python\nstate_dir: /a\narena_dir: /b")
    assert '"state_dir" needs `engine: native`' in message
    assert '"arena_dir" needs `engine: native`' in message


@pytest.mark.parametrize(
    ("text", "hands_over"),
    [
        ("", False),
        ("state_dir: /a\narena_dir: /b", True),
        ("state_dir: /a\narena_dir: /b\nshutdown: flush", False),
        ("state_dir: /a\narena_dir: /b\nshutdown: handover", True),
    ],
    ids=["in memory", "with state_dir", "flush", "handover"],
)
def test_a_shutdown_hands_over_what_the_next_can_take(
    text: str, hands_over: bool, load: Load
) -> None:
    """With directories that outlive the process, unless `flush` is asked for."""
    assert hands_over == load(text).config.hands_over


SYNTAX = {
    "tab": ("a:\n\tb: 1", "f.yaml:2:1: not valid YAML", "indent with spaces"),
    "colon": ("a: b: c", "f.yaml:1:5: not valid YAML", "needs quotes"),
    "open": ("a: [1", "f.yaml:1:6: not valid YAML", "expected ',' or ']'"),
    "control": ("b: 1\na: \x07", "f.yaml:2:4:", "U+0007"),
    "list": ("- a", "f.yaml:1:1:", "expected keys and values"),
    "empty": ("# nothing\n", "f.yaml: the file is empty", "leave it out"),
    "alias": ("a: &a [*a]", "f.yaml:1:4:", "inside its own anchor"),
    "list as key": ("? [a]\n: b", "f.yaml:1:3:", "expected a key"),
    "two documents": ("---\na: 1\n---\nb: 1", "f.yaml:3:1: not valid YAML", "another document"),
    "python object": ("hostname: !!python/name:os.x", "f.yaml:1:11: not valid YAML", "constructor"),
    "long number": (f"hostname: {'9' * 5000}", "f.yaml:1:11:", "4300 digits"),
    "deep": ("[" * 3000, "f.yaml: nested too deeply", ""),
    "template": ("interval: {{ .x }}", "f.yaml:1:11: templates ({{ }}) are not supported", ""),
    "template in quotes": ("a: 1\nhostname: '{{x}}'", "f.yaml:2:12: templates", ""),
}


@pytest.mark.parametrize(("text", "place", "says"), SYNTAX.values(), ids=SYNTAX)
def test_refuses_what_is_no_configuration(
    text: str, place: str, says: str, complain: Complain
) -> None:
    """What cannot be read as keys and values is refused with its place."""
    message = complain(text, bare=True)
    assert message.startswith(place)
    assert says in message


def test_a_template_in_a_comment_is_no_template(load: Load) -> None:
    """Comments may contain anything."""
    assert [] == load("# {{ a }}\nhostname: a # {{ b }}").warnings


def test_merges_and_anchors_are_read(load: Load) -> None:
    """`<<` fills in what a mapping does not say itself, and a mistake is placed where it was."""
    sinks = (
        "metric_sinks:\n"
        "  - &first {kind: localfile, name: a, config: &options {flush_file: /a, keep: 3}}\n"
        "  - {<<: *first, name: b, config: {<<: *options, keep: 4}}\n"
    )
    loaded = load("statsd_listen_addresses: [udp://:0]\n" + sinks, bare=True)
    first, second = (entry.config for entry in loaded.config.metric_sinks)
    assert isinstance(first, FileOptions)
    assert isinstance(second, FileOptions)
    assert (3, 4) == (first.keep, second.keep)
    assert "/a" == second.flush_file


def test_defaults_are_veneurs(load: Load) -> None:
    """A key that is not written has Veneur's default, or one that neither hangs nor dies."""
    config = load().config
    assert 10.0 == config.interval == config.flush_timeout_s
    assert () == config.percentiles
    assert ("min", "max", "count") == config.aggregates
    assert 1 == config.num_readers
    assert "127.0.0.1:8127" == str(config.http_address)
    assert 2 << 20 == config.read_buffer_size_bytes


def test_a_key_without_a_value_is_not_written(load: Load) -> None:
    """`hostname:` is the default, as in Veneur."""
    assert load().config == load("hostname:\ninterval:\nextend_tags:\naggregates: []").config


def test_empty_tags_are_passed_over(load: Load) -> None:
    """`extend_tags: [""]`, as in Veneur's example, is no tag."""
    assert ("a:b",) == load('extend_tags: ["", "a:b"]').config.extend_tags


def test_zero_means_the_default(load: Load) -> None:
    """What Veneur takes for "not given" is the default, and said to be."""
    loaded = load("interval: 0s\nnum_readers: 0\nmetric_max_length: 0\nread_buffer_size_bytes: 0")
    assert load().config == loaded.config
    assert "f.yaml:3:11: interval: zero means the default, 10s, as in Veneur" == loaded.warnings[0]
    assert 4 == len(loaded.warnings)


def test_warns_of_a_node_that_does_nothing(load: Load) -> None:
    """A node may receive nothing and publish nothing, but is told so."""
    assert [
        'f.yaml: nothing is received: "statsd_listen_addresses" is empty',
        'f.yaml: nothing is published: "metric_sinks" is empty',
    ] == load("interval: 5s", bare=True).warnings


def test_precedence(load: Load) -> None:
    """A flag prevails over the environment, the environment over the file, the file over all."""
    environ = {"VENEURPY_INTERVAL": "3s", "VENEURPY_HOSTNAME": "env"}
    loaded = load("interval: 2s\nlog_level: error\nhostname: file", environ=environ)
    assert (3.0, "env", "error") == (
        loaded.config.interval,
        loaded.config.hostname,
        loaded.config.log_level,
    )
    loaded = load("interval: 2s", environ=environ, overrides={"interval": "4s", "hostname": None})
    assert (4.0, "env") == (loaded.config.interval, loaded.config.hostname)


def test_a_mistake_in_a_flag_names_the_flag(complain: Complain) -> None:
    """What came from no file has no line."""
    message = complain("interval: 2s", overrides={"http_address": "8127"})
    assert message.startswith('--http-address: http_address: expected "host:port"')
    assert message.endswith("\n\n1 mistake")


def test_a_config_never_changes(load: Load) -> None:
    """The settings are read once."""
    with pytest.raises(ValueError, match="frozen"):
        load().config.hostname = "other"  # type: ignore[misc]


def test_the_effective_configuration_loads_again(load: Load) -> None:
    """What is shown as YAML is a file with the same meaning."""
    config = load("percentiles: [0.5]\nlate_window: 90s\nflush_timeout: 5s").config
    assert config == load(to_yaml(config), bare=True).config
    assert "1m30s" == effective(config)["late_window"]


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read: No such file"), (b"a: \xff", "x.yaml:1: not UTF-8 text")],
    ids=["missing", "latin-1"],
)
def test_an_unreadable_file_is_a_config_error(
    tmp_path: Path, content: bytes | None, says: str
) -> None:
    """What keeps a file from being read is told like every other mistake."""
    path = tmp_path / "x.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError, match=says):
        load_config(path, environ={}, sinks=KINDS)


def test_a_byte_order_mark_moves_nothing(complain: Complain) -> None:
    """Columns count from the first character that can be seen."""
    assert complain("\ufeffintervall: 1s", bare=True).startswith("f.yaml:1:1: unknown key")


FRAGMENTS = [
    *("interval", "metric_sinks", "kind", "config", "percentiles", "0.5", "10s", "x"),
    *(": ", "- ", "\n", "  ", "[", "]", "{", "}", ",", "'", '"', "#", "|", "~", "\t"),
    *("<<", "&a", "*a", "!!int"),
]


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=30).map("".join) | st.text(max_size=40))
@example("metric_sinks: [{kind: [a]}]")
@example("hostname: 2024-13-45")
@example("interval: !!int")
@example("interval: !!bool x")
def test_any_text_loads_or_is_a_config_error(text: str) -> None:
    """No text makes the loader raise anything else."""
    with suppress(ConfigError):
        assert isinstance(parse_config(QUIET + text, sinks=KINDS), LoadedConfig)


def test_every_key_says_what_it_does() -> None:
    """No key goes undocumented."""
    assert [] == [key for key, field in Config.model_fields.items() if not field.description]


def test_what_writes_a_value_is_a_function_of_our_own() -> None:
    """Pydantic asks for the signature of each: what built-in ones tell differs with the Python.

    That of `str.format` is known since Python 3.13, and is none that it takes.
    """
    written = {
        f"{module.name}.{name}": serializer.func
        for module in pkgutil.iter_modules(config.__path__)
        for name, value in vars(import_module(f"{config.__name__}.{module.name}")).items()
        for serializer in getattr(value, "__metadata__", ())
        if isinstance(serializer, PlainSerializer)
    }
    assert "mode.UnixMode" in written
    assert [] == [name for name, func in written.items() if not isfunction(func)]
