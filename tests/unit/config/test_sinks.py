"""The list of sinks and the options of each kind."""

from __future__ import annotations

import pytest

from tests.unit.config.conftest import Complain, FileOptions, Load
from veneurpy.config import effective, parse_config
from veneurpy.config.secret import Secret
from veneurpy.errors import ConfigError
from veneurpy.sinks.statsd import StatsdSink

HEAD = "statsd_listen_addresses: [udp://:0]\nmetric_sinks:\n"


def test_options_are_checked_by_the_class_of_the_kind(load: Load) -> None:
    """A sink gets an instance of its own Config; its name is by default its kind."""
    config = "{flush_file: /a, every: 5m, api_key: hush, format: }"
    (entry,) = load(
        f"{HEAD}  - kind: localfile\n    config: {config}", bare=True
    ).config.metric_sinks
    assert "localfile" == entry.name
    assert isinstance(entry.config, FileOptions)
    assert ("/a", 300.0, "jsonl") == (
        entry.config.flush_file,
        entry.config.every,
        entry.config.format,
    )


WRONG = {
    "unknown": ("- kind: consol", 'f.yaml:3:9: unknown kind of sink "consol"', "console"),
    "of Veneur": ("- kind: datadog", 'the sink "datadog" of Veneur is not supported', ""),
    "broken": ("- kind: broken", "'broken' cannot be loaded from here", ""),
    "no kind": ("- name: a", 'f.yaml:3:3: the key "kind" is missing in metric_sinks[0]', ""),
    "nearly kind": ("- knd: debug", 'f.yaml:3:3: unknown key "knd" in metric_sinks[0]', "kind"),
    "empty kind": ('- kind: ""', "unknown kind of sink", ""),
    "kind of 3": ("- kind: 3", "f.yaml:3:9: metric_sinks[0].kind: expected a text", '"3"'),
    "not a mapping": ("- debug", "f.yaml:3:3: metric_sinks[0]: expected a mapping", ""),
    "missing option": (
        "- {kind: localfile, config: {keep: 1}}",
        'the key "flush_file" is missing in metric_sinks[0].config',
        "",
    ),
    "unknown option": (
        "- {kind: localfile, config: {flush_file: a, kep: 1}}",
        'f.yaml:3:45: unknown key "kep" in metric_sinks[0].config',
        "keep",
    ),
    "wrong option": (
        "- {kind: localfile, config: {flush_file: a, keep: 10}}",
        "f.yaml:3:51: metric_sinks[0].config.keep: expected at most 9, found the number 10",
        "",
    ),
    "wrong duration": (
        "- {kind: localfile, config: {flush_file: a, every: 10}}",
        "f.yaml:3:52: metric_sinks[0].config.every: expected a duration with its unit",
        "",
    ),
    "option outside": (
        "- {kind: localfile, flush_file: a, config: {flush_file: b}}",
        'f.yaml:3:21: "flush_file" is an option of the sink: write it below `config:`',
        "",
    ),
    "no mapping": ("- {kind: debug, config: 5}", "f.yaml:3:25: metric_sinks[0].config", ""),
    "comma": ('- {kind: debug, name: "a,b"}', "a name cannot contain a comma", ""),
    "delimiter": (
        "- {kind: localfile, config: {flush_file: a, delimiter: 9}}",
        'f.yaml:3:45: "delimiter" and Veneur\'s row layout are not supported by this version: '
        "write `format: csv`",
        "",
    ),
}


REPEATERS = {
    "udp": (
        "{repeater_address: 'http://127.0.0.1:5000', network_type: udp}",
        "udp://127.0.0.1:5000",
    ),
    "tcp": ("{repeater_address: 'localhost:5000', network_type: tcp}", "tcp://localhost:5000"),
    "ipv6": ("{repeater_address: '[::1]:5000', network_type: udp}", "udp://[::1]:5000"),
}


@pytest.mark.parametrize(("config", "address"), REPEATERS.values(), ids=REPEATERS)
def test_a_repeater_is_the_statsd_sink(config: str, address: str) -> None:
    """Veneur's prometheus sink with an address to repeat to keeps its name, with a warning."""
    loaded = parse_config(f"{HEAD}- {{kind: prometheus, config: {config}}}\n")
    (entry,) = loaded.config.metric_sinks
    assert ("statsd", "prometheus") == (entry.kind, entry.name)
    assert isinstance(entry.config, StatsdSink.Config)
    assert address == str(entry.config.address)
    assert 1 == len(loaded.warnings)


def test_a_prometheus_without_an_address_is_scraped() -> None:
    """What only a repeater needs has no effect then, and that is said."""
    loaded = parse_config(f"{HEAD}- {{kind: prometheus, config: {{network_type: tcp}}}}\n")
    assert ["prometheus"] == [entry.kind for entry in loaded.config.metric_sinks]
    assert 1 == len(loaded.warnings)


REFUSED_REPEATERS = {
    "another network": (
        "{repeater_address: 'a:1', network_type: ip4}",
        'network_type: expected udp or tcp, found "ip4"',
    ),
    "no network": ("{repeater_address: 'a:1'}", "network_type: expected udp or tcp"),
    "no port": ("{repeater_address: hi, network_type: udp}", 'expected "host:port"'),
    "port 0": ("{repeater_address: 'a:0', network_type: udp}", "expected a port from 1 to 65535"),
    "a number": ("{repeater_address: 5000, network_type: udp}", "expected a URL"),
}


@pytest.mark.parametrize(("config", "says"), REFUSED_REPEATERS.values(), ids=REFUSED_REPEATERS)
def test_refuses_a_repeater(config: str, says: str) -> None:
    """A repeater that could send nowhere is one mistake."""
    with pytest.raises(ConfigError) as raised:
        parse_config(f"{HEAD}- {{kind: prometheus, config: {config}}}\n")
    assert says in str(raised.value)
    assert "1 mistake in" in str(raised.value)


@pytest.mark.parametrize(("text", "says", "meant"), WRONG.values(), ids=WRONG)
def test_refuses(text: str, says: str, meant: str, complain: Complain) -> None:
    """A mistake inside of a sink is shown like every other, once."""
    message = complain(f"{HEAD}{text}\n", bare=True)
    assert says in message
    assert message.endswith("\n\n1 mistake in f.yaml")
    assert (f"did you mean {meant}" if meant else "f.yaml") in message


def test_names_are_unique(complain: Complain) -> None:
    """Two sinks of one name could not be told apart; the kind counts as the name."""
    sinks = "  - kind: debug\n  - kind: console\n    name: debug\n  - kind: debug\n"
    message = complain(HEAD + sinks, bare=True)
    assert 'f.yaml:5:11: the name "debug" is already that of metric_sinks[0]' in message
    assert message.endswith("\n\n2 mistakes in f.yaml")


def test_secrets_do_not_show(load: Load, complain: Complain) -> None:
    """A secret is shown as *** in the effective configuration, in its repr and in errors."""
    head = f"{HEAD}  - kind: localfile\n    config:\n      flush_file: /a\n"
    loaded = load(f"{head}      api_key: hush", bare=True)
    assert "***" == effective(loaded.config)["metric_sinks"][0]["config"]["api_key"]
    assert "hush" not in repr(loaded.config)
    message = complain(f"{head}      api_key: 123456", bare=True)
    assert "found another value" in message
    assert "123456" not in message


@pytest.mark.parametrize(
    ("line", "excerpt"),
    [
        ("api_token: hush, hush", "1 | api_token: ***\n      | ^^^^^^^^^"),
        (
            "{sentry_dsn: hush, x: 1, password: 'a,b', nothing: 1}",
            "1 | {sentry_dsn: ***, x: 1, password: ***, nothing: 1}\n      |                   ^",
        ),
    ],
    ids=["line", "item"],
)
def test_lines_are_shown_without_their_secrets(line: str, excerpt: str, complain: Complain) -> None:
    """What looks like a secret is not repeated, and carets stay below what they mean."""
    assert excerpt in complain(line, bare=True)


def test_a_secret_is_revealed_only_when_asked() -> None:
    """`reveal` is the only way to the text."""
    secret = Secret("hush")
    assert "hush" == secret.reveal()
    assert ("***", "Secret('***')") == (str(secret), repr(secret))
    assert (Secret("hush"), True) == (secret, bool(secret))
    assert ("", False) == (str(Secret("")), bool(Secret("")))
    assert secret != Secret("other")
