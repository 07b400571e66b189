"""Regular expressions of mapping files find what Go's find: `re2.json` is written by `re2.go`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from veneurpy.rules.re2 import NotRe2, as_python

CASES = json.loads((Path(__file__).parent / "re2.json").read_text())
KNOWN = [case for case in CASES if not case.get("refused")]
REFUSED = [case["pattern"] for case in CASES if case.get("refused")]


@pytest.mark.parametrize("case", KNOWN, ids=lambda case: ascii(case["pattern"]))
def test_it_finds_what_go_finds(case: dict[str, Any]) -> None:
    """The same match and the same groups in every subject."""
    pattern = re.compile(as_python(case["pattern"]))
    found = [_texts(pattern.search(subject)) for subject in case["subjects"]]
    assert case["found"] == found


@pytest.mark.parametrize("pattern", REFUSED, ids=ascii)
def test_it_refuses_what_go_refuses(pattern: str) -> None:
    """What Go does not read, Python does not read in its own way."""
    with pytest.raises(NotRe2):
        as_python(pattern)


def test_there_are_enough_cases() -> None:
    """The table does not shrink below what the syntax takes to pin down."""
    assert len(KNOWN) >= 240
    assert len(REFUSED) >= 30


def _texts(found: re.Match[str] | None) -> list[str] | None:
    """As Go has them: the whole, and an empty text for a group that took no part."""
    return None if found is None else [found[0], *(group or "" for group in found.groups())]
