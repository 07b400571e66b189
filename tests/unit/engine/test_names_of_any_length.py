"""What may be in a name or a tag depends neither on its length nor on where in it a byte stands."""

from __future__ import annotations

import pytest

from tests.engines import START_MS, close_interval, needs_native
from veneurpy.engine import EngineOptions, Plan, open_engine

pytestmark = needs_native

LENGTHS = range(1, 27)
TEXT = [" ", "~", "\x80", "é", "€", "😀"]
NO_TEXT = [b"\x00", b"\x1f", b"\x7f", b"\x80", b"\xc3", b"\xe2\x82", b"\xff"]


def _texts(odd: bytes) -> list[bytes]:
    """Of each length, with the odd bytes at each place."""
    letters = b"abcdefghijklmnopqrstuvwxyz"
    return [
        letters[:at] + odd + letters[at:length] for length in LENGTHS for at in range(length + 1)
    ]


def _outcome(lines: list[bytes]) -> tuple[int, int, int]:
    """Accepted lines, bad names, bad tags."""
    engine = open_engine("native", EngineOptions(), start_ms=START_MS)
    reader = engine.open_reader("r")
    for line in lines:
        reader.feed(line)
    total = close_interval(engine, Plan()).total
    engine.close()
    return total.accepted, total.rejected["bad_name"], total.rejected["bad_tags"]


@pytest.mark.parametrize("odd", TEXT, ids=ascii)
def test_text_is_taken(odd: str) -> None:
    """Printable characters are, wherever they stand."""
    texts = _texts(odd.encode())
    lines = [text + b":1|c" for text in texts] + [b"a:1|c|#" + text for text in texts]
    assert (len(lines), 0, 0) == _outcome(lines)


@pytest.mark.parametrize("odd", NO_TEXT, ids=ascii)
def test_other_bytes_are_refused(odd: bytes) -> None:
    """Control characters and what is not UTF-8 are refused, wherever they stand."""
    texts = _texts(odd)
    lines = [text + b":1|c" for text in texts] + [b"a:1|c|#" + text for text in texts]
    assert (0, len(texts), len(texts)) == _outcome(lines)


def test_tags_are_told_apart() -> None:
    """Of two tags of any length the order is that of their bytes: both orders are one series."""
    pairs = [(b"a" * first, b"a" * second + b"b") for first in LENGTHS for second in LENGTHS]
    engine = open_engine("native", EngineOptions(), start_ms=START_MS)
    reader = engine.open_reader("r")
    for one, other in pairs:
        reader.feed(b"n:1|c|#%b,%b\nn:1|c|#%b,%b" % (one, other, other, one))
    outcome = close_interval(engine, Plan())
    engine.close()
    assert len(pairs) == outcome.series
    assert {2.0} == {row.value for row in outcome.rows}
