"""Sets: exact while small, estimated beyond, the same in both engines."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from veneurpy.engine import reference_hll
from veneurpy.engine.reference_hll import EXACT_MEMBERS, ReferenceSet

native = pytest.importorskip("veneurpy.engine.native.hll", reason="the native engine is not built")

GOLDEN = json.loads((Path(__file__).parents[2] / "golden" / "sketches.json").read_text())


class Sketch(Protocol):
    """What both kinds of sets can do."""

    def add(self, member: bytes) -> None: ...
    def merge(self, other: Sketch) -> None: ...
    def estimate(self) -> int: ...


kinds = pytest.mark.parametrize(
    "kind", [native.HyperLogLog, ReferenceSet], ids=["native", "python"]
)


def filled(kind: type[Sketch], members: Iterable[int]) -> Sketch:
    """A set of numbers in decimal."""
    made = kind()
    for member in members:
        made.add(b"%d" % member)
    return made


@pytest.mark.parametrize(
    "metro_hash64", [native.metro_hash64, reference_hll.metro_hash64], ids=["native", "python"]
)
@pytest.mark.parametrize("case", GOLDEN["metro_hash64"], ids=lambda case: str(len(case["input"])))
def test_hash_is_veneurs(metro_hash64: object, case: dict[str, str]) -> None:
    """Members are hashed as Veneur hashes them."""
    assert case["hash"] == f"{metro_hash64(case['input'].encode()):016x}"


@given(st.binary(max_size=200))
def test_hashes_agree(data: bytes) -> None:
    """Both engines hash any bytes alike."""
    assert reference_hll.metro_hash64(data) == native.metro_hash64(data)


@kinds
@pytest.mark.parametrize("n", [0, 1, 5, 6, 7, 8, 163, 164, 1000, EXACT_MEMBERS])
def test_small_sets_are_counted(kind: type[Sketch], n: int) -> None:
    """Up to 1,536 members the answer is the number of members, repeated ones counted once."""
    assert n == filled(kind, [*range(n), *range(n)]).estimate()


@kinds
@pytest.mark.parametrize(
    "case",
    [case for case in GOLDEN["set_estimates"] if case["members"] <= 50_000],
    ids=lambda case: str(case["members"]),
)
def test_estimates_are_near_veneurs(kind: type[Sketch], case: dict[str, int]) -> None:
    """The answer is exact up to 1,536 members, and then near Veneur's.

    Not the same: Veneur estimates from 164 members on, in another way up to some 8,000, counts its
    empty registers wrongly after that, and rounds up.
    """
    if case["members"] <= EXACT_MEMBERS:
        assert case["members"] == filled(kind, range(case["members"])).estimate()
    else:
        estimate = filled(kind, range(case["members"])).estimate()
        assert case["estimate"] == pytest.approx(estimate, rel=0.01)


@kinds
def test_one_member_more_is_estimated(kind: type[Sketch]) -> None:
    """The 1,537th member turns the count into an estimate, without a jump."""
    made = filled(kind, range(EXACT_MEMBERS + 1))

    assert "dense" in repr(made)
    assert EXACT_MEMBERS == pytest.approx(made.estimate(), rel=0.02)


def test_error_is_within_one_per_cent_on_average() -> None:
    """From just above the count to a million, the root mean square error is that of HyperLogLog."""
    sizes = [2_000, 10_000, 30_000, 60_000, 200_000, 1_000_000]
    errors: dict[int, list[float]] = {n: [] for n in sizes}
    for seed in range(12):
        rng = random.Random(seed)
        made = native.HyperLogLog()
        done = 0
        for n in sizes:
            for _ in range(n - done):
                made.add_hash(rng.getrandbits(64))
            done = n
            errors[n].append(made.estimate() / n - 1)

    worst = max((sum(e * e for e in found) / len(found)) ** 0.5 for found in errors.values())
    assert worst < 0.0135  # 1.04 / sqrt(16384) = 0.81 %, and three standard errors of 12 runs


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 2500)), min_size=1, max_size=4),
    st.randoms(use_true_random=False),
)
def test_worth_depends_on_the_members_only(
    ranges: list[tuple[int, int]], rng: random.Random
) -> None:
    """However a set is ordered, split and merged, and by whichever engine: the same answer."""
    parts = [list(range(start, start + n)) for start, n in ranges]
    members = sorted({member for part in parts for member in part})
    expected = filled(ReferenceSet, members).estimate()
    rng.shuffle(members)

    assert expected == filled(native.HyperLogLog, members).estimate()
    for kind in (native.HyperLogLog, ReferenceSet):
        for order in (parts, parts[::-1]):
            whole = kind()
            for part in order:
                whole.merge(filled(kind, part))
            assert expected == whole.estimate()


@kinds
@pytest.mark.parametrize("n", [10, 4000])
def test_a_set_merges_with_itself(kind: type[Sketch], n: int) -> None:
    """Merging a set into itself changes nothing."""
    made = filled(kind, range(n))
    before = made.estimate()
    made.merge(made)

    assert before == made.estimate()


@pytest.mark.parametrize("n", [100, 2000])
def test_a_hash_of_zero_is_a_member(n: int) -> None:
    """The hash 0, which marks a free slot, counts as 1: in small sets and in large ones."""
    zero, one = native.HyperLogLog(), native.HyperLogLog()
    for made, h in ((zero, 0), (one, 1)):
        made.add_hash(h)
        for other in range(n):
            made.add_hash(native.metro_hash64(b"%d" % other))

    assert one.estimate() == zero.estimate()
    assert one.registers() == zero.registers()


@pytest.mark.parametrize(
    ("h", "register", "value"),
    [
        pytest.param(0x0002_0000_0000_0000, 0, 1, id="first bit after the register"),
        pytest.param(0x0001_0000_0000_0000, 0, 2, id="second bit"),
        pytest.param(0xFFFC_0000_0000_0001, 16383, 50, id="last bit"),
        pytest.param(0xFFFC_0000_0000_0000, 16383, 51, id="no bit"),
    ],
)
def test_registers_hold_the_first_bit_after_14(h: int, register: int, value: int) -> None:
    """A register is the top 14 bits, its value the place of the next set bit, at most 51."""
    made = native.HyperLogLog()
    for other in range(EXACT_MEMBERS):
        made.add_hash(5 << 50 | other + 1)
    made.add_hash(h)

    assert value == made.registers()[register]


@kinds
def test_full_registers_still_give_a_number(kind: type[Sketch]) -> None:
    """Members that collide on purpose, all in the highest register values, do no harm."""
    made = kind()
    add = made.add_hash if hasattr(made, "add_hash") else made._add
    for register in range(1 << 14):
        add(register << 50)

    assert made.estimate() > 1 << 60


def test_shows_its_state() -> None:
    """A set tells how it stands."""
    assert "<HyperLogLog exact estimate=3>" == repr(filled(native.HyperLogLog, range(3)))
    assert "<ReferenceSet exact estimate=3>" == repr(filled(ReferenceSet, range(3)))
