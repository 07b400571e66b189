"""What comes by the wire, well and badly: strategies for metrics, lists and streams."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

from tests.wire import in_list
from veneurpy.engine.reference_hll_wire import dense_bytes, sparse_bytes
from veneurpy.engine.reference_protobuf import bytes_field, double_field, varint_field

_names = st.sampled_from([b"a", b"a", b"b.c", b"\xc3\xa9", b"", b"\xff", b"a\tb", b"n" * 70])
_tags = st.lists(
    st.sampled_from(
        b"x y:1 z: a:1 q,r b,,a \xff veneurlocalonly veneursinkonly:s veneurglobalonly:1".split()
    ),
    max_size=4,
).map(lambda tags: [*tags, b""][: len(tags) or None])
_numbers = st.one_of(
    st.integers(-1000, 1000).map(float),
    st.floats(-1e6, 1e6, allow_subnormal=False),
    st.floats(),
    st.sampled_from([0.0, -0.0, 1e290, 1.1e290, 1e301, float("inf"), float("nan")]),
)
_integers = st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-100, 100)
_weights = st.one_of(
    st.just(1.0),
    st.just(2.0),
    st.floats(0.1, 100),
    st.sampled_from([0.0, -1.0, 1e25, float("nan")]),
)


_counters = st.builds(
    lambda integer, exact: (
        varint_field(1, integer)
        + (b"" if exact is None else b"\xa1\x06" + struct.pack("<d", exact))
    ),
    _integers,
    st.none() | _numbers,
).map(lambda body: bytes_field(5, body))
_gauges = st.builds(
    lambda value, time, sender: (
        double_field(1, value)
        + (b"" if time is None else b"\xa1\x06" + struct.pack("<Q", time))
        + (b"" if sender is None else bytes_field(101, sender))
    ),
    _numbers,
    st.none() | st.integers(0, 5) | st.integers(0, (1 << 64) - 1),
    st.none() | st.sampled_from([b"", b"p", b"q"]),
).map(lambda body: bytes_field(6, body))
_centroids = st.lists(
    st.tuples(_numbers, _weights) | st.tuples(st.integers(-5, 5).map(float), st.just(1.0)),
    max_size=6,
)
_moments = st.builds(
    lambda numbers: b"".join(double_field(i, x) for i, x in enumerate(numbers, 1)),
    st.tuples(
        st.sampled_from([1.0, 3.5, 0.0, -1.0]),
        _numbers,
        st.sampled_from([-10.0, 0.0]),
        st.sampled_from([10.0, 1e7, float("inf")]),
        _numbers,
        st.sampled_from([0.0, 1.0]),
    ),
)


def _histogram(
    centroids: list[tuple[float, float]],
    tail: tuple[float, float, float],
    total: bytes | None,
    direct: bytes | None,
    exact: bool,
) -> bytes:
    digest = b"".join(bytes_field(1, double_field(1, m) + double_field(2, w)) for m, w in centroids)
    digest += b"".join(double_field(i, x) for i, x in enumerate(tail, 3))
    own = b"" if total is None else bytes_field(100, total)
    own += b"" if direct is None else bytes_field(101, direct)
    return bytes_field(7, bytes_field(1, digest) + own + varint_field(102, exact))


_histograms = st.builds(
    _histogram,
    _centroids,
    st.tuples(_numbers, _numbers, _numbers),
    st.none() | _moments,
    st.none() | _moments,
    st.booleans(),
)
_keys = st.lists(
    st.integers(0, (1 << 25) - 1).map(lambda index: index << 1)
    | st.builds(lambda i, z: i << 18 | z << 1 | 1, st.integers(0, 16383), st.integers(0, 41)),
    max_size=8,
)
_registers = st.dictionaries(st.integers(0, 16383), st.integers(0, 51), max_size=5).map(
    lambda some: bytes(some.get(i, 0) for i in range(16384))
)
_sketches = st.one_of(
    _keys.map(sparse_bytes),
    _keys.map(
        lambda keys: b"\1\x0e\0\1" + struct.pack(f">I{len(keys)}I3I", len(keys), *keys, 0, 0, 0)
    ),
    _registers.map(dense_bytes),
    st.sampled_from([b"", b"\1", b"\1\x0e\0", b"\1\3\0\1" + bytes(16), b"\1\x0e\xff\0" + bytes(8)]),
    st.integers(0, 60).map(lambda size: sparse_bytes(range(2, 60, 2))[:size]),
    st.integers(0, 255).map(lambda base: bytes([1, 14, base, 0, 0, 0, 32, 0]) + bytes(8192)),
)
_sets = st.builds(
    lambda sketch, hashes, excess: (
        bytes_field(1, sketch)
        + (b"" if hashes is None else bytes_field(100, hashes))
        + (b"" if excess is None else bytes_field(101, excess))
    ),
    _sketches,
    st.none()
    | st.lists(st.integers(0, 9) | st.integers(0, (1 << 64) - 1), max_size=5).map(
        lambda hashes: struct.pack(f"<{len(hashes)}Q", *hashes)
    ),
    st.none()
    | st.lists(st.integers(0, (1 << 22) - 1), max_size=3).map(
        lambda pairs: struct.pack(f"<{len(pairs)}I", *pairs)
    ),
).map(lambda body: bytes_field(8, body))
_OF_TYPE = {0: _counters, 1: _gauges, 2: _histograms, 3: _sets, 4: _histograms}


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """A metric, most often a good one, now and then with one thing or anything wrong."""
    type_ = draw(st.sampled_from([0, 0, 1, 1, 2, 2, 3, 3, 4, 5]))
    value = draw(_OF_TYPE[type_ if draw(st.integers(0, 9)) else 0] if type_ < 5 else _counters)
    parts = [
        bytes_field(1, draw(_names)),
        *(bytes_field(2, tag) for tag in draw(_tags)),
        varint_field(3, type_),
        value,
        varint_field(9, draw(st.sampled_from([0, 0, 1, 2, 2, 3]))),
        draw(st.sampled_from([b"", b"", varint_field(100, 7), varint_field(100, 1 << 63)])),
        draw(st.sampled_from([b"", b"", bytes_field(101, b"s"), bytes_field(101, b"t,,u,t")])),
        draw(st.sampled_from([b"", b"", varint_field(33, 5), bytes_field(200, b"?"), b"\x0d1234"])),
    ]
    message = b"".join(parts)
    if draw(st.integers(0, 7)) == 0:
        at = draw(st.integers(0, len(message)))
        cut = draw(st.integers(0, 3))
        message = message[:at] + draw(st.binary(max_size=3)) + message[at + cut :]
    return message


lists = st.lists(messages(), max_size=5).map(lambda them: in_list(*them)) | st.binary(max_size=40)
"""Frames, most often good ones."""
