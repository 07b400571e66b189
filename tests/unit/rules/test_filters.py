"""Filters of names, and their settings."""

from __future__ import annotations

import pytest

from veneurpy.config.dump import to_yaml
from veneurpy.config.filters import filters_of
from veneurpy.config.loader import parse_config
from veneurpy.config.mapping import parse_mapping
from veneurpy.engine import MetricType
from veneurpy.engine.rewriting import Rewrite, rewrite_of
from veneurpy.engine.tag_patterns import TagMatch, TagPattern
from veneurpy.errors import ConfigError
from veneurpy.rules import FilterRewriter, MappingRewriter

FILTERS = r"""
filters:
- {name: {exact: gone}, drop: true}
- {name: {prefix: debug.}, drop: true}
- {name: {prefix: old.}, rename: "new.$1"}
- {name: {glob: "web.*.hits"}, rename: "hits.$1", add_tags: [from:web]}
- {name: {regex: '^jvm\.(?P<what>\w+)'}, rename: "java.${what}", strip_tags: [host, "tmp_*"]}
- {name: {glob: "web.*.*"}, rename: "never", strip_tags: ["from:w*"]}
- {name: {exact: set}, add_tags: ["env:a", "env:b"]}
- {name: {exact: set}, add_tags: ["env:c"]}
"""
SENT = (b"env:x", b"env:y", b"host:h", b"hosts", b"tmp_1:2", b"x")


def _rewriter(filters: str = FILTERS, mapping: str = "") -> FilterRewriter:
    rules = filters_of(parse_config(filters).config.filters)
    onward = MappingRewriter(parse_mapping(mapping)[0]) if mapping else None
    return FilterRewriter(rules, onward)


def _of(rewriter: FilterRewriter, name: str, *sent: bytes) -> Rewrite | None:
    return rewrite_of(rewriter, name.encode(), MetricType.COUNTER, sent)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gone", None),
        ("debug.x", None),
        ("old.a.b", "new.a.b"),
        ("web.fra.hits", "hits.fra"),
        ("jvm.gc.time", "java.gc"),
        ("web.a.b", "never"),
    ],
)
def test_names(name: str, expected: str | None) -> None:
    """One that drops prevails; of those that rename the first that is about the name counts."""
    rewrite = _of(_rewriter(), name)
    assert rewrite is not None
    assert expected == (None if rewrite.is_dropped else rewrite.name.decode())


@pytest.mark.parametrize("name", ["gone.x", "debug", "web.hits", "web..hits", "", "x.jvm.gc"])
def test_other_names_stay(name: str) -> None:
    """What no filter is about is not rewritten."""
    assert _of(_rewriter(), name) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("web.fra.hits", SENT),
        ("jvm.gc", (b"env:x", b"env:y", b"hosts", b"x")),
        ("set", (b"env:c", b"host:h", b"hosts", b"tmp_1:2", b"x")),
    ],
)
def test_tags(name: str, expected: tuple[bytes, ...]) -> None:
    """Tags are stripped and added in the order of the filters."""
    rewrite = _of(_rewriter(), name)
    assert rewrite is not None
    assert expected == rewrite.tags(SENT)


@pytest.mark.parametrize(
    ("pattern", "tag", "expected"),
    [
        ("host", "host", True),
        ("host", "host:a", True),
        ("host", "hosts:a", False),
        ("host:a", "host:a", True),
        ("host:a", "host:b", False),
        ("a*a", "a", False),
        ("a*a", "aa", True),
        ("*", "", True),
        ("*_id:0*", "x_id:01", True),
        ("*b*b*", "abcb", True),
        ("*b*b*", "abc:b", False),
    ],
)
def test_patterns_of_tags(pattern: str, tag: str, expected: bool) -> None:
    """A pattern is of the key, with a colon of the whole tag."""
    assert expected == TagPattern(TagMatch.GLOB, pattern.encode()).fits(tag.encode())


@pytest.mark.parametrize(
    ("match", "text", "tag", "expected"),
    [
        (TagMatch.EXACT, "host", "host", True),
        (TagMatch.EXACT, "host", "host:a", False),
        (TagMatch.EXACT, "a*", "ab", False),
        (TagMatch.PREFIX, "host:a", "host:ab", True),
        (TagMatch.PREFIX, "host:a", "host:", False),
        (TagMatch.REGEX, "s:a", "hosts:ab", True),
        (TagMatch.REGEX, r"^v:\d$", "v:10", False),
        (TagMatch.REGEX, "^é$", "é", True),
    ],
)
def test_patterns_of_whole_tags(match: TagMatch, text: str, tag: str, expected: bool) -> None:
    """All but globs are compared with the whole tag, a regular expression anywhere in it."""
    assert expected == TagPattern(match, text.encode()).fits(tag.encode())


@pytest.mark.parametrize(
    ("sent", "name", "tags"),
    [
        ((), b"new.x", ()),
        ((b"env:prod",), b"live.x", (b"env:prod", b"team:a")),
        ((b"env:prod", b"v:1"), b"v.x", (b"env:prod", b"team:a")),
        ((b"v:1",), b"v.x", ()),
    ],
)
def test_tags_decide(sent: tuple[bytes, ...], name: bytes, tags: tuple[bytes, ...]) -> None:
    """A filter acts on a series whose name and tags are meant, whatever other filters do to it."""
    rewriter = _rewriter(r"""
filters:
- {name: {prefix: a.}, tags: [{regex: '^v:\d$'}], rename: "v.$1", strip_tags: [v]}
- {name: {prefix: a.}, tags: ["env:prod*"], rename: "live.$1", add_tags: ["team:a"]}
- {name: {prefix: a.}, rename: "new.$1"}
""")
    rewrite = _of(rewriter, "a.x", *sent)
    assert rewrite is not None
    assert (name, tags) == (rewrite.name, rewrite.tags(sent))


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{{tags: [k{0}], add_tags: [x]}}", "64 different lists of `tags`.* at most 63"),
        ("{{drop_tags: [{{regex: k{0}}}]}}", "65 different regular expressions.* at most 64"),
    ],
)
def test_there_are_not_too_many(entry: str, says: str) -> None:
    """What the engine has no room for is told, with how many are possible."""
    count = int(says[:2])
    lines = "\n".join(f"- {entry.format(i)}" for i in range(count))
    parse_config("filters:\n" + lines.rpartition("\n")[0])
    with pytest.raises(ConfigError, match=says):
        parse_config(f"filters:\n{lines}\n")


def test_it_is_written_as_it_was_read() -> None:
    """The configuration in effect loads again."""
    config = parse_config('filters: [{tags: [x, {regex: "^y"}], drop: true}]').config
    assert config.filters == parse_config(to_yaml(config)).config.filters


@pytest.mark.parametrize(
    ("tags", "expected"),
    [((b"env:dev1", b"x"), True), ((b"env:prod", b"x"), False), ((), False), ((b"host",), True)],
)
def test_series_are_dropped_for_a_tag(tags: tuple[bytes, ...], expected: bool) -> None:
    """One tag that a pattern of `drop_tags` fits is enough, also where it is stripped."""
    filters = 'filters: [{drop_tags: ["env:dev*", host], strip_tags: [host]}]'
    rewrite = _of(_rewriter(filters, 'mappings: [{match: "a.*", name: b}]'), "a.x", *tags)
    assert rewrite is not None
    assert expected == rewrite.is_dropped


def test_the_mapping_sees_the_new_name() -> None:
    """Filters act first; a label of the mapping replaces their tag, unless it honours others."""
    filters = 'filters: [{name: {prefix: a.}, rename: "b.$1", add_tags: [k:1], strip_tags: [s]}]'
    for honours, expected in ((False, (b"k:x", b"z")), (True, (b"k:1", b"z"))):
        rule = f'match: "b.*", name: c, labels: {{k: $1}}, honor_labels: {str(honours).lower()}'
        rewrite = _of(_rewriter(filters, f"mappings: [{{{rule}}}]"), "a.x")
        assert rewrite is not None
        assert (b"c", expected) == (rewrite.name, rewrite.tags((b"k:0", b"s:1", b"z")))


def test_the_mapping_drops_what_filters_have_renamed() -> None:
    """What either drops is dropped."""
    filters = 'filters: [{name: {exact: a}, rename: "b.c"}]'
    rewrite = _of(_rewriter(filters, 'mappings: [{match: "b.*", action: drop}]'), "a")
    assert rewrite is not None
    assert rewrite.is_dropped


@pytest.mark.parametrize(
    "name", ["old.a", "old." + "x" * 50, "web.fra.hits", "jvm.abc", "web.a.b", "set"]
)
def test_growth_is_a_bound(name: str) -> None:
    """No rewrite is longer, and has more texts, than the engine is told."""
    rewriter = _rewriter(mapping='mappings: [{match: "new.*", name: "$1.$1", labels: {k: $1}}]')
    rewrite = _of(rewriter, name)
    assert rewrite is not None
    (name_bytes, name_ratio), (tag_bytes, tag_ratio) = rewriter.name_growth, rewriter.tag_growth
    assert len(rewrite.name) <= name_bytes + name_ratio * len(name)
    texts = (*rewrite.removed, *rewrite.stripped, *rewrite.added)
    assert len(texts) <= rewriter.most_texts
    assert len(b",".join(rewrite.added)) <= tag_bytes + tag_ratio * len(name)


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{name: {prefx: a}, drop: true}", ':2:11: unknown key "prefx".*\n.*\n.*\n.*mean prefix'),
        ("{name: {exact: a, prefix: a}, drop: true}", "one of exact, prefix, glob and regex"),
        ("{name: {glob: 'a*b'}, drop: true}", "`regex` takes anything"),
        ("{name: {regex: '('}, drop: true}", ":2:18: .*no regular expression"),
        ("{name: {prefix: a}, rename: $2}", r":2:31: .*captured by nothing in the prefix"),
        ("{name: {exact: a}, rename: 'a:b'}", "cannot contain a colon"),
        ("{name: {exact: a}}", ":2:3: .*it does nothing"),
        ("{drop: true}", "that would be every series"),
        ("{rename: x}", "that would be every name"),
        ("{name: {exact: a}, drop: true, add_tags: [x]}", "leave the other keys out"),
        ("{add_tags: ['a,b']}", "cannot contain a comma"),
        ("{add_tags: [veneurlocalonly]}", "only clients can send it"),
        ("{strip_tags: ['']}", ":2:17: .*a tag cannot be empty"),
        ("{tags: [x]}", ":2:3: .*it does nothing"),
        ("{tags: [x], rename: y}", "that would be every name"),
        ("{tags: x, drop: true}", ":2:10: .*expected a list"),
        ("{tags: [1], drop: true}", ":2:11: .*expected a mapping"),
        ("{tags: [{prefx: a}], drop: true}", ':2:12: unknown key "prefx".*\n.*\n.*\n.*mean prefix'),
        ("{tags: [{exact: a, prefix: a}], drop: true}", ":2:11: .*one of exact, prefix, glob"),
        ("{tags: [{}], drop: true}", ":2:11: .*one of exact, prefix, glob and regex"),
        ("{tags: [{regex: '('}], drop: true}", ":2:19: .*no regular expression"),
        ("{tags: [{regex: '[[:alpha:]]'}], drop: true}", ":2:19: .*write \\[A-Za-z\\]"),
        ("{name: {regex: '[[:alpha:]]'}, drop: true}", ":2:18: .*write \\[A-Za-z\\]"),
        ("{drop_tags: [{exact: 'a,b'}]}", ":2:24: .*cannot contain a comma"),
    ],
)
def test_mistakes_have_a_place(entry: str, says: str) -> None:
    """What cannot be meant is named, with line and column and how to mend it."""
    with pytest.raises(ConfigError, match=says):
        parse_config(f"filters:\n- {entry}\n")
