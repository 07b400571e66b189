"""The page that a run writes."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.answers import Answer, Figure, Target
from benchmarks.charts import Bar, Chart, svg
from benchmarks.report import missed, put_again, terminal_table, write_page

CHART = Chart("a", "Cost & more", "µs", (Bar("<ours>", 2.0, True, 4.0), Bar("other", 8.0)))
GOOD = Figure("fast", "×", (1.0, 1.5, 2.0), Target("<=", 2))
BAD = Figure("slow", "×", (3.0,), Target("<=", 2))
ANSWER = Answer("How fast?", "By looking.", (GOOD, BAD, Figure("drops", "n", (0.0,))), (CHART,))
BAR_START, BAR_END = 290, 690


def test_page(tmp_path: Path) -> None:
    """Every target stands with its outcome, every figure in its table, every chart in its file."""
    (tmp_path / "performance").mkdir()
    stale = tmp_path / "performance" / "stale.svg"
    stale.touch()
    page = tmp_path / "performance.md"
    write_page([ANSWER], machine="a machine", when="now", rounds=3, page=page)
    text = page.read_text()
    assert "1 of 2 targets are met." in text
    assert "| How fast?: fast | × | 1.5 | <= 2 | met |" in text
    assert "| How fast?: slow | × | 3 | <= 2 | **missed** |" in text
    assert "| fast | 1.5 | 1 to 2 | <= 2: met |" in text
    assert "| drops | 0 | 0 to 0 |  |" in text
    (shown,) = re.findall(r"!\[Cost & more\]\((.+)\)", text)
    assert svg(CHART) == (tmp_path / shown).read_text()
    assert not stale.exists()


def test_asked_again(tmp_path: Path) -> None:
    """A question's answer, its targets and the verdict are replaced and dated; others stay."""
    page = tmp_path / "performance.md"
    other = Answer("How large?", "By weighing.", (Figure("heavy", "g", (1.0,), Target("<=", 2)),))
    write_page([ANSWER, other], machine="a machine", when="then", rounds=1, page=page)
    before = page.read_text()
    better = Figure("slow", "×", (2.0,), Target("<=", 2))
    put_again(Answer("How fast?", "By looking.", (GOOD, better), (CHART,)), when="now", page=page)
    text = page.read_text()

    assert "3 of 3 targets are met." in text
    assert "| How fast?: slow | × | 2 | <= 2 | met |\n| How large?: heavy" in text
    assert "By looking.\n\nAsked again, now.\n" in text
    assert "missed" not in text
    _, large = before.split("## How large?")
    assert text.endswith(f"\n\n## How large?{large}")
    put_again(ANSWER, when="later", page=page)
    put_again(other, when="later", page=page)
    assert 2 == page.read_text().count("Asked again, later.")


def test_what_missed() -> None:
    """A missed target is found, and named in the terminal."""
    assert [BAD] == missed([ANSWER])
    assert "<= 2: MISSED" in terminal_table(ANSWER)


def test_chart() -> None:
    """Bars are in proportion and within the picture, marks stand at the targets, text is text."""
    root = ElementTree.fromstring(svg(CHART))
    space = "{http://www.w3.org/2000/svg}"
    bars = {each.get("class"): each for each in root.iter(f"{space}rect")}
    texts = [each.text for each in root.iter(f"{space}text")]
    (mark,) = root.iter(f"{space}line")
    assert [100.0, 400.0] == [float(bars[name].get("width", "")) for name in ("ours", "other")]
    assert BAR_END == BAR_START + float(bars["other"].get("width", ""))
    assert BAR_START + 200 == float(mark.get("x1", ""))
    assert ["Cost & more", "µs", "<ours>", "2", "other", "8"] == texts
