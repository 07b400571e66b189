"""Names to names and tags, by the rules of statsd_exporter."""

from __future__ import annotations

import pytest

from veneurpy.config.mapping import parse_mapping
from veneurpy.engine import MetricType
from veneurpy.errors import ConfigError
from veneurpy.rules import Mapping, MappingRewriter

FILE = """\
defaults:
  ttl: 0
mappings:
- match: "test.dispatcher.*.*.*"
  name: "dispatcher_events_total"
  labels: {processor: "$1", action: "$2", outcome: "${3}x"}
- match: "test.dispatcher.*.*.special"
  name: never
- match: "*.signup.*.*"
  match_metric_type: counter
  name: "signup_events"
  labels: {provider: "$2"}
- match: '(.*)\\.(.*)--(.*)\\.status\\.(.*)\\.count'
  match_type: regex
  name: "request_total"
  labels: {hostname: "$1", exec: "$2", protocol: "$3", code: "$4"}
- match: 'named\\.(?P<who>\\w+)'
  match_type: regex
  name: "named.${who}"
- match: "internal.*"
  action: drop
- match: "kept.*"
  name: kept
  honor_labels: true
  labels: {env: "$1"}
"""
CASES = {
    "test.dispatcher.foo.send.ok": (
        "dispatcher_events_total",
        "action:send,outcome:okx,processor:foo",
    ),
    "test.dispatcher.foo.send.special": (
        "dispatcher_events_total",
        "action:send,outcome:specialx,processor:foo",
    ),
    "test.dispatcher.foo.send": None,
    "test.dispatcher..send.ok": None,
    "foo.signup.facebook.bad": ("signup_events", "provider:facebook"),
    "h1.app--http.status.200.count": (
        "request_total",
        "code:200,exec:app,hostname:h1,protocol:http",
    ),
    "named.bob": ("named.bob", ""),
    "internal.x": ("", ""),
    "internal.x.y": None,
    "*.signup.a.b": ("signup_events", "provider:a"),
    "": None,
}


@pytest.fixture(scope="module")
def mapping() -> Mapping:
    return parse_mapping(FILE)[0]


@pytest.mark.parametrize(("name", "expected"), CASES.items(), ids=repr)
def test_names(mapping: Mapping, name: str, expected: tuple[str, str] | None) -> None:
    """The first rule that matches says what a name becomes; without one it stays."""
    rewrite = MappingRewriter(mapping).of(name.encode(), MetricType.COUNTER)
    shown = None
    if rewrite is not None:
        shown = ("" if rewrite.is_dropped else rewrite.name.decode(), b",".join(rewrite.tags(())))
    assert expected == (None if shown is None else (shown[0], shown[1].decode()))


def test_types(mapping: Mapping) -> None:
    """A rule for one type leaves others alone."""
    assert mapping.of("a.signup.b.c", MetricType.GAUGE) is None


@pytest.mark.parametrize(
    ("name", "tags", "expected"),
    [
        (b"kept.new", (b"env:old", b"x"), (b"env:old", b"x")),
        (b"foo.signup.new.z", (b"provider:old", b"x"), (b"provider:new", b"x")),
    ],
)
def test_sent_tags(
    mapping: Mapping, name: bytes, tags: tuple[bytes, ...], expected: tuple[bytes, ...]
) -> None:
    """A rule's tag replaces a sent one of equal key, unless it honours those that were sent."""
    rewrite = MappingRewriter(mapping).of(name, MetricType.COUNTER)
    assert rewrite is not None
    assert expected == rewrite.tags(tags)


def test_a_comma_does_not_end_a_tag(mapping: Mapping) -> None:
    """What is captured makes one tag, whatever it holds."""
    rewrite = MappingRewriter(mapping).of(b"kept.a,b", MetricType.COUNTER)
    assert rewrite is not None
    assert (b"env:a_b",) == rewrite.tags(())


def test_scale_is_warned_about() -> None:
    """A key that would change values, and does not here, says so."""
    _, warnings = parse_mapping('mappings:\n- {match: "a.*", name: b, scale: 0.001}\n')
    assert ['<text>:2:27: "scale" has no effect: values stay as they are sent'] == warnings


@pytest.mark.parametrize(("is_unordered", "name"), [(False, "first"), (True, "special")])
def test_order(is_unordered: bool, name: str) -> None:
    """The first glob wins, or the one that names more of the first parts."""
    text = f"""\
defaults: {{glob_disable_ordering: {str(is_unordered).lower()}}}
mappings:
- {{match: "*.b", name: first}}
- {{match: "a.*", name: special}}
"""
    mapped = parse_mapping(text)[0].of("a.b", MetricType.COUNTER)
    assert mapped is not None
    assert name == mapped.name


def test_what_has_no_effect_is_warned_about() -> None:
    """Keys for Prometheus load, and say that they do nothing here."""
    _, warnings = parse_mapping('mappings:\n- {match: "a.*", name: b, observer_type: summary}\n')
    assert [
        '<text>:2:27: "observer_type" has no effect: it says how Prometheus shows a metric'
    ] == (warnings)


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("^[[:alpha:]]+$", "ab:", None),
        ("^[[:alpha:]]+$", "ab", "x."),
        (r"^(\d+)$", "٣", None),
        (r"^(\w+)$", "é", None),
        (r"^x(?i)(ab|c)\z", "xAB", "x.AB"),
        (r"(?U)^(.+)\.", "a.b.c", "x.a"),
        (r"\Qa.b\E(.)", "axb.c", None),
        (r"\Qa.b\E(.)", "a.bc", "x.c"),
    ],
)
def test_regular_expressions_are_read_as_go_reads_them(
    pattern: str, name: str, expected: str | None
) -> None:
    """A file means what it means to statsd_exporter."""
    template = "x.$1" if "(" in pattern.replace("(?", "") else "x."
    entry = f"match: '{pattern}', match_type: regex, name: {template}"
    mapped = parse_mapping(f"mappings: [{{{entry}}}]")[0].of(name, MetricType.COUNTER)
    assert expected == (None if mapped is None else mapped.name)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{match: 'a*b', name: x}", '2:11: "a\\*b" is no glob'),
        (
            "{match: '(', match_type: regex, name: x}",
            ":2:11: .*character 1, this \\( is never closed",
        ),
        (r"{match: 'a\pL', match_type: regex, name: x}", r":2:11: .*character 2, .*\[A-Za-z\]"),
        (r"{match: 'a\Z', match_type: regex, name: x}", r"Go knows no \\Z: \\z is the end"),
        (r"{match: '(a)\1', match_type: regex, name: x}", "repeat what the group has"),
        ("{match: 'a(?=b)', match_type: regex, name: x}", "no lookahead"),
        ("{match: '(?i)é', match_type: regex, name: x}", r"list the others, as \[éÉ\]"),
        ("{match: '(a*)*', match_type: regex, name: x}", "let it match one character at least"),
        ("{match: '[[:foo:]]', match_type: regex, name: x}", "expected one of alnum, alpha"),
        ("{match: '(?<1>a)', match_type: regex, name: x}", "begins with no digit"),
        ("{match: 'a.*', name: b$$1}", r'2:24: "\$\$" is read as one \$'),
        ("{match: 'a.*', name: $2}", '2:24: "\\$2" is captured by nothing'),
        ("{match: 'a.*', name: b, labels: {x: $who}}", '"\\$who" is captured by nothing'),
        ("{match: 'a.*', name: 'a:b'}", "a name cannot contain a colon"),
        ("{match: 'a.*', name: b, labels: {veneursinkonly: $1}}", "which its sender alone can say"),
        ("{match: 'a.*'}", 'the key "name" is missing'),
        ("{match: 'a.*', nmae: x}", 'unknown key "nmae"'),
        ("{match: 'a.*', name: x, action: dorp}", "did you mean drop"),
    ],
)
def test_mistakes_have_a_place(entry: str, says: str) -> None:
    """What cannot be meant is named, with line and column."""
    with pytest.raises(ConfigError, match=says):
        parse_mapping(f"mappings:\n- {entry}\n")
