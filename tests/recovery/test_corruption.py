"""Whatever is in an arena's file, the start goes on, and what was not touched is all there."""

from __future__ import annotations

import os
import random
import re
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines import needs_native
from tests.recovery.corpse import Found, filled, leave, newest, recover
from veneurpy.engine.arena_dir import boot_id

pytestmark = needs_native
sharing = pytest.importorskip("veneurpy.engine.native.sharing")

HEADER, FIRST_PAGE = 8192, 4096
FREE = b"FREE"
LATEST, LARGEST_DATAGRAM = 128, 1 << 20
IS_LONG = os.environ.get("VENEURPY_RECOVERY") == "long"
CASES = 1000 if IS_LONG else 100


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    directory = tmp_path_factory.mktemp("whole")
    leave(directory, filled())
    return newest(directory)


@pytest.fixture(scope="module")
def expected(whole: bytes, tmp_path_factory: pytest.TempPathFactory) -> Found:
    found = recover(tmp_path_factory.mktemp("expected"), [whole])
    assert found.broken == 0
    assert found.unreadable == []
    assert len(found.rows) > 150
    return found


def _low_end(content: bytes) -> int:
    return len(content[: len(content) // 2].rstrip(b"\0"))


def _high_start(content: bytes) -> int:
    return len(content) - len(content[len(content) // 2 :].lstrip(b"\0"))


def _flip(content: bytearray, at: int, rng: random.Random) -> None:
    content[at] ^= rng.choice([1 << rng.randrange(8), rng.randrange(1, 256)])


def _header(content: bytearray, rng: random.Random) -> None:
    used = len(content[:FIRST_PAGE].rstrip(b"\0"))
    for _ in range(rng.choice([1, 1, 2, 8])):
        _flip(content, rng.randrange(used), rng)


def _header_word(content: bytearray, rng: random.Random) -> None:
    used = len(content[:FIRST_PAGE].rstrip(b"\0"))
    word = rng.choice([0, 1, 4096, len(content), 2**31, 2**32 - 1, 2**63, 2**64 - 1, 0x7FF0 << 48])
    struct.pack_into("<Q", content, rng.randrange(used // 8 + 1) * 8, word)


def _entry(content: bytearray, rng: random.Random) -> None:
    _flip(content, rng.randrange(HEADER, _low_end(content)), rng)


def _entry_word(content: bytearray, rng: random.Random) -> None:
    word = rng.choice([0, 1, 4096, len(content), 2**32 - 1, 2**63, 2**64 - 1, rng.getrandbits(64)])
    struct.pack_into("<Q", content, rng.randrange(HEADER, _low_end(content)) & ~7, word)


def _block(content: bytearray, rng: random.Random) -> None:
    _flip(content, rng.randrange(_high_start(content), len(content)), rng)


def _block_word(content: bytearray, rng: random.Random) -> None:
    word = rng.choice([0, 1, 4096, len(content), 2**32 - 1, 2**63, 2**64 - 1, rng.getrandbits(64)])
    struct.pack_into("<Q", content, rng.randrange(_high_start(content), len(content)) & ~7, word)


def _many(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.randrange(2, 200)):
        _flip(content, rng.choice([rng.randrange(len(content)), rng.randrange(8192)]), rng)


def _page(content: bytearray, rng: random.Random) -> None:
    pages = [at for at in range(0, len(content), 4096) if any(content[at : at + 4096])]
    at = rng.choice(pages)
    content[at : at + 4096] = rng.choice([bytes(4096), rng.randbytes(4096)])


def _swap_pages(content: bytearray, rng: random.Random) -> None:
    pages = [at for at in range(0, len(content), 4096) if any(content[at : at + 4096])]
    a, b = rng.sample(pages, 2)
    content[a : a + 4096], content[b : b + 4096] = content[b : b + 4096], content[a : a + 4096]


def _cut(content: bytearray, rng: random.Random) -> None:
    del content[rng.choice([0, 1, 4095, 4096, 8192, rng.randrange(len(content))]) :]


def _extend(content: bytearray, rng: random.Random) -> None:
    content += rng.randbytes(rng.choice([1, 4096, 8192]))


DAMAGES = [
    *(_header, _header_word, _entry, _entry_word, _block, _block_word),
    *(_many, _page, _swap_pages, _cut, _extend),
]
HEADERS = (_header, _header_word)
LOCAL = (_entry, _entry_word, _block, _block_word)


def _looks_free(content: bytearray) -> bool:
    """As if it were being prepared."""
    state = content[8:16]
    return state in (FREE + bytes(4), b"") or not any(content[:4] + state)


def _series(found: Found) -> dict[object, list[object]]:
    """Values by series, whatever the statistics it has."""
    series: dict[object, list[object]] = {}
    for row in found.rows:
        name = row.name.partition("#")[0]
        series.setdefault((name, *row[1:6]), []).append((row.name, row.scope, row.value))
    return series


def _has_changes(key: object) -> bool:
    """Whether it is a gauge that was changed: these go together where their list is damaged."""
    return isinstance(key, tuple) and str(key[0]).startswith("w")


def _differing(left: Found, right: Found) -> list[object]:
    ours, theirs = _series(left), _series(right)
    return [key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)]


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.lstrip("_"))
def test_damage_is_survived(
    damage: Callable[[bytearray, random.Random], None],
    seed: int,
    whole: bytes,
    expected: Found,
    tmp_path: Path,
) -> None:
    """A counter or gauge is right or missing, what is missing is counted, a damage stays local."""
    for case in range(CASES):
        content = bytearray(whole)
        damage(content, random.Random(f"{seed} {case}"))
        found = recover(tmp_path, [bytes(content)])
        where = f"{damage.__name__}, seed {seed}, case {case}: {found}"
        if found.unreadable or _looks_free(content):
            continue
        assert found.numbers <= expected.numbers, where
        if damage in LOCAL:
            unchanged = [key for key in _differing(found, expected) if not _has_changes(key)]
            assert len(unchanged) <= 1, where
        if damage not in HEADERS and (
            len(found.numbers) < len(expected.numbers)
            or len(found.side_log) < len(expected.side_log)
        ):
            assert found.broken, where


@pytest.mark.parametrize(
    ("at", "replacement", "why"),
    [
        pytest.param(0, b"X", "another version", id="no arena"),
        pytest.param(4, b"\x63", "another version", id="another version"),
        pytest.param(8, b"\x07", None, id="a state of no meaning"),
    ],
)
def test_a_header_is_checked(
    at: int,
    replacement: bytes,
    why: str | None,
    whole: bytes,
    expected: Found,
    tmp_path: Path,
) -> None:
    """What is not ours is removed and said; a state alone hides nothing."""
    content = whole[:at] + replacement + whole[at + len(replacement) :]
    found = recover(tmp_path, [content])
    assert (0 if why else len(expected.rows)) == len(found.rows)
    assert bool(why) == bool(found.unreadable)
    assert all(why and why in said for said in found.unreadable)


def test_another_boot_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written before the machine was started anew is removed and said."""
    with monkeypatch.context() as before:
        before.setattr(sharing, "boot_id", lambda: bytes(16))
        leave(tmp_path / "before", filled())
    found = recover(tmp_path, [newest(tmp_path / "before")])
    assert [] == found.rows
    assert ["written before the machine was started anew"] == found.unreadable


def test_a_name_stands_there_twice(whole: bytes, expected: Found, tmp_path: Path) -> None:
    """One copy of what the arena is called may be damaged: that is counted; not both."""
    first, second = (found.start() for found in re.finditer(re.escape(boot_id()), whole[:HEADER]))
    for damaged in ([first], [second], [first, second]):
        content = bytearray(whole)
        for at in damaged:
            content[at] ^= 1
        found = recover(tmp_path, [bytes(content)])
        assert (expected.rows if len(damaged) == 1 else []) == found.rows
        assert (1 if len(damaged) == 1 else 0) == found.broken
        assert (0 if len(damaged) == 1 else 1) == len(found.unreadable)


def test_no_byte_of_a_header_is_believed_blindly(
    whole: bytes, expected: Found, tmp_path: Path
) -> None:
    """Wherever one is changed, what is recovered is as it was, or is said to be damaged.

    Accounts may be wrong unseen by what the last datagrams can have brought, and no more.
    """
    used = len(whole[:HEADER].rstrip(b"\0"))
    rng = random.Random(7)
    # The list of events begins in the header; so do the counts of entries and of what is used.
    for at in range(0 if IS_LONG else rng.randrange(5), used, 1 if IS_LONG else 5):
        content = bytearray(whole)
        _flip(content, at, rng)
        found = recover(tmp_path, [bytes(content)])
        if found.broken or found.unreadable:
            continue
        assert replace(expected, accounts=[]) == replace(found, accounts=[]), f"byte {at}"
        (theirs,), (ours,) = expected.accounts, found.accounts
        assert abs(ours.datagrams - theirs.datagrams) <= LATEST, f"byte {at}"
        assert abs(ours.bytes - theirs.bytes) <= LATEST * LARGEST_DATAGRAM, f"byte {at}"
        assert abs(ours.lines - theirs.lines) <= theirs.bytes, f"byte {at}"


def test_no_offset_of_a_header_is_followed_round(
    whole: bytes, expected: Found, tmp_path: Path
) -> None:
    """One so large that a sum with it begins anew at 0 leads nowhere, whatever it is of."""
    used = len(whole[:HEADER].rstrip(b"\0"))
    for at in range(0, used, 8):
        content = bytearray(whole)
        content[at : at + 8] = struct.pack("<Q", 2**64 - 16)
        found = recover(tmp_path, [bytes(content)])
        assert found.broken or found.unreadable or expected.rows == found.rows, f"word at {at}"


def test_a_search_for_entries_ends(whole: bytes, tmp_path: Path) -> None:
    """What looks like a long entry every 16 bytes is given up after so much work, and that said."""
    units = (_low_end(whole) - HEADER) // 32
    fake = struct.pack("<QHHBBH", 1, 16 * units - 32, 0, 0, 0, units)
    content = bytearray(whole)
    content[HEADER : HEADER + 16 * units] = fake * units
    found = recover(tmp_path, [bytes(content)])
    assert found.broken > 0
    assert [] == found.rows


def test_an_arena_under_preparation_is_removed_in_silence(whole: bytes, tmp_path: Path) -> None:
    """A death while an arena is made or emptied is nothing to complain of."""
    free = whole[:8] + FREE + bytes(4) + whole[16:]
    found = recover(tmp_path, [b"", bytes(len(whole)), free])
    assert Found([], [], 0, []) == found


def test_damage_to_one_file_leaves_the_others(
    whole: bytes, expected: Found, tmp_path: Path
) -> None:
    """What is sound in the directory is recovered beside what is not."""
    found = recover(tmp_path, [whole[:5000], whole, b"\xff" * 8192])
    assert expected.rows == found.rows
    assert 2 == len(found.unreadable)
