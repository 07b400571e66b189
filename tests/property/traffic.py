"""What clients send, well and badly: strategies for lines and datagrams."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.engines import NOW_NS, Datagram
from veneurpy.engine import Grammar, NameTags

NOW_S = NOW_NS // 1_000_000_000
READERS = 3

_plain_names = st.sampled_from(
    [b"a", b"b.c", b"\xc3\xa9", b"_e", b"_score", b"a b", b"", b"\xff", b"a\tb", b"n" * 70]
)
_name_tags = st.lists(
    st.sampled_from(b"x=1 y=2 z=a=b veneurlocalonly=1 x= =1 x \xff=1 , ; # [ ] y=2,x=1".split())
    | st.just(b""),
    max_size=4,
)
_styled = st.sampled_from(b",, #, ;; [, ], ,# #;".split())


@st.composite
def _tagged_name(draw: st.DrawFn) -> bytes:
    opener, separator = draw(_styled)
    tags = bytes([separator]).join(draw(_name_tags))
    end = draw(st.sampled_from([b"]", b"]", b"].b", b"]#x=1", b""])) if opener == ord("[") else b""
    return draw(_plain_names) + bytes([opener]) + tags + end


_names = st.one_of(_plain_names, _plain_names, _tagged_name())
grammars = st.builds(
    Grammar,
    name_tags=st.one_of(st.just(NameTags(0)), st.integers(0, 15).map(NameTags)),
    is_statsd=st.booleans(),
)
"""What a listener may be told of its lines."""
_types = st.sampled_from(
    [b"c", b"g", b"h", b"d", b"ms", b"s", b"c", b"g", b"h", b"ms", b"s", b"m", b"", b"C", b"cc"]
)
_numbers = st.one_of(
    st.integers(-1000, 1000).map(lambda n: b"%d" % n),
    st.integers(-9, 9).map(lambda n: b"%+d" % n),
    st.floats(-1e6, 1e6, allow_subnormal=False).map(lambda x: repr(x).encode()),
    st.floats(allow_nan=True, allow_infinity=True).map(lambda x: repr(x).encode()),
    st.sampled_from(
        b",1e3,+.5,5.,1e290,-1e290,1.1e290,1e400,1e-400,1_0,0x10,--1,.,e1,nan,x, 1".split(b",")
    ),
    st.integers(10, 30).map(lambda n: b"9" * n),
)
_values = st.lists(_numbers, min_size=1, max_size=6).map(b":".join)
_members = st.one_of(st.binary(max_size=8), st.sampled_from([b"x", b"a:b", b"http://h/"]))
_tags = st.lists(
    st.one_of(
        st.sampled_from(b"x y:1 y:2 z z: env:a env:b \xc3\xa9".split()),
        st.sampled_from(
            b"veneurlocalonly veneurglobalonly:1 veneursinkonly:s veneursinkonly:t "
            b"veneursinkonly veneurlocalonlyx".split()
        ),
        st.sampled_from([b"", b"x", b"z", b"\xff", b"a\tb"]),
    ),
    max_size=5,
).map(b",".join)
_rates = st.sampled_from(
    [b"1", b"0.5", b"0.1", b"0.3", b"1e-6", b"0.001", b"0", b"1.5", b"nan", b"", b"-1", b"1e-19"]
)
_timestamps = st.one_of(
    st.integers(NOW_S - 3, NOW_S + 3).map(lambda t: b"%d" % t),
    st.sampled_from([b"0", b"", b"x", b"-5", b"1", b"%d" % (NOW_S + 10), b"%d" % (NOW_S + 11)])
    | st.sampled_from([b"%d" % (NOW_S - 600), b"%d" % (NOW_S - 601), b"9" * 30, b"1.5"]),
)
_fields = st.one_of(
    _tags.map(b"#".__add__),
    _rates.map(b"@".__add__),
    _timestamps.map(b"T".__add__),
    st.sampled_from([b"c:ci-1", b"e:it-false", b"card:low", b"", b"x", b"c", b"\xff", b"card"]),
)


@st.composite
def _metric(draw: st.DrawFn) -> bytes:
    type_ = draw(_types)
    value = draw(_members if type_ == b"s" else _values)
    fields = draw(st.lists(_fields, max_size=4))
    return b"%s:%s|%s" % (draw(_names), value, b"|".join([type_, *fields]))


_side_lines = st.sampled_from(
    b"_e{3,3}:foo|bar|#x _e{3,6}:foo||#x|c: _e{1,0}:a| _e{1,1}:a|bc _e{1,9}:a|b _e{1 _e{ "
    b"_sc|x|0 _sc|x|0|#x|m:well _sc| _sc|x".split()
)


@st.composite
def _mutated(draw: st.DrawFn) -> bytes:
    line = draw(_metric())
    at = draw(st.integers(0, len(line)))
    cut = draw(st.integers(0, 3))
    return line[:at] + draw(st.binary(max_size=3)) + line[at + cut :]


lines = st.one_of(_metric(), _metric(), _mutated(), _side_lines, st.binary(max_size=20))
"""Mostly metrics, often wrong in one place; now and then anything."""

_ends = st.sampled_from([b"\n", b"\n", b"\r\n", b"\n\n", b"\r\r\n"])


@st.composite
def _payload(draw: st.DrawFn) -> bytes:
    parts = draw(st.lists(st.tuples(lines, _ends), max_size=8))
    return b"".join(line + end for line, end in parts) + draw(st.just(b"") | lines)


datagrams = st.lists(
    st.builds(
        Datagram,
        data=st.one_of(_payload(), _payload(), st.binary(max_size=100)),
        reader=st.integers(0, READERS - 1),
        truncated=st.sampled_from([False] * 7 + [True]),
        now_ns=st.sampled_from([NOW_NS, NOW_NS, NOW_NS + 1, NOW_NS - 5, NOW_NS + 1_000_000]),
    ),
    max_size=8,
)
"""Traffic for several readers, with clocks that step back."""


def traffic_of(line: st.SearchStrategy[str]) -> st.SearchStrategy[list[Datagram]]:
    """Good lines of the test's own choice, in a few datagrams for two readers."""
    return st.lists(
        st.builds(
            lambda lines, reader: Datagram("\n".join(lines).encode(), reader),
            st.lists(line, min_size=1, max_size=5),
            st.integers(0, 1),
        ),
        max_size=8,
    )
