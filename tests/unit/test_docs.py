"""What the documentation says is compared with what it speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from benchmarks.bench import QUESTIONS
from veneurpy.cli import COMMANDS
from veneurpy.console.http import admin_app
from veneurpy.engine import IGNORED_FIELDS, LINE_REASONS, VALUE_REASONS
from veneurpy.listeners.http import PATH as INGEST
from veneurpy.telemetry import describe, events

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("benchmarks/*.md")])
OPERATING = (ROOT / "docs" / "operating.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
SOURCES = ("*.md", "*.py", "*.pyx", "*.pxd", "*.pyi", "*.h", "*.yaml", "*.toml", "*.service")
FOLDERS = ("benchmarks", "config", "docs", "systemd", "tests", "veneurpy")
GENERATED = {
    "docs/accuracy.md",
    "docs/attack.md",
    "docs/chaos.md",
    "docs/hostile.md",
    "docs/kills.md",
    "docs/performance.md",
    "docs/soak.md",
}
OF_OTHERS = {
    *("dns_config", "enable_truncate"),  # Consul's
    *("api_hits_total", "t_99percentile", "t_count_total", "t_max"),  # examples of series
    "veneurpy_prometheus_collisions_total",  # made of two words
}

page_by_page = pytest.mark.parametrize(
    "page", [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]
)


def cells(table_row: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in table_row.strip("|").split("|"))


def commands(page: Path) -> Iterator[str]:
    """The lines of code in a page: indented, fenced or between backquotes."""
    text = page.read_text()
    yield from re.findall(r"^ {4,}(.+)$", text, re.MULTILINE)
    for block in re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        yield from block.splitlines()
    yield from re.findall(r"`([^`\n]+)`", text)


def test_telemetry_table() -> None:
    """The table of its own metrics is the telemetry's own: name, type, labels and meaning."""
    expected = [
        (f"`{name}`", kind, ", ".join(labels), meaning)
        for name, kind, labels, meaning in describe()
    ]
    documented = re.findall(r"^\| `veneurpy_\w+` \|.*\|$", OPERATING, re.MULTILINE)
    tail = [row for row in map(cells, documented) if len(row) == 4]
    assert expected == tail


@pytest.mark.parametrize("reason", sorted({*LINE_REASONS, *VALUE_REASONS, *IGNORED_FIELDS}))
def test_every_reason_is_explained(reason: str) -> None:
    """Whatever the ledger may name as a reason has its row in docs/operating.md."""
    assert re.search(rf"^\| `{reason}` \| \S", OPERATING, re.MULTILINE)


def test_every_http_page_is_listed() -> None:
    """What the admin listener serves stands in docs/operating.md."""

    class View:
        """Nothing is asked of it."""

    async def page(_: Any) -> Any:
        """Nor is anything said."""

    app = admin_app(View(), {}, {INGEST: page}, page)  # type: ignore[arg-type]
    served = {resource.canonical for resource in app.router.resources()} - {"/"}
    assert set() == {path for path in served if f"`{path}`" not in OPERATING}


@page_by_page
def test_make_targets_exist(page: Path) -> None:
    """Every `make …` that a page tells people to type is a target."""
    called = {match for line in commands(page) for match in re.findall(r"^make ([a-z]+)", line)}
    targets = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))
    assert set() == called - targets


@page_by_page
def test_commands_exist(page: Path) -> None:
    """Every `veneurpy …` that a page tells people to type is a command."""
    called = {
        match
        for line in commands(page)
        for match in re.findall(r"^(?:\S*/bin/)?veneurpy ([a-z]+)\b(?!\.)", line)
    }
    assert set() == called - set(COMMANDS)


@page_by_page
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link leads to a file; pages that are measured may not be there yet."""
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text())
    relative = [link for link in links if not re.match(r"[a-z]+:", link)]
    targets = [(page.parent / link).resolve().relative_to(ROOT) for link in relative]
    missing = [str(target) for target in targets if not (ROOT / target).exists()]
    assert set() == set(missing) - GENERATED


def test_every_page_is_listed() -> None:
    """docs/README.md leads to every page beside it."""
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert set() == {page for page in pages if f"({page})" not in index}


def test_every_target_explains_itself() -> None:
    """`make` alone shows each target that people may call, with what it does."""
    phony = next(line for line in MAKEFILE.splitlines() if line.startswith(".PHONY:"))
    explained = set(re.findall(r"^([a-z]+):.* ## \S", MAKEFILE, re.MULTILINE))
    assert explained == set(phony.split()[1:]) - {"build"}


def sources() -> Iterator[Path]:
    for folder in FOLDERS:
        for pattern in SOURCES:
            yield from (ROOT / folder).rglob(pattern)
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.suffix == ".md")
    yield ROOT / "Makefile"
    yield ROOT / "pyproject.toml"


def test_no_path_of_somebodys_machine() -> None:
    """What people read holds on their machine: no home or working directory of a developer."""
    elsewhere = re.compile(r"(?<![\w./])/(?:work|root|home/\w+|Users)/")
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sources()
        for line in path.read_text().splitlines()
        if elsewhere.search(line)
    ]
    assert [] == found


@cache
def words_of_the_package() -> frozenset[str]:
    """Every name, and every word of every text, in the package and in what comes with it."""
    patterns = ("veneurpy/**/*.py*", "config/*.yaml", "benchmarks/**/*.py", "tests/*.py")
    places = [path for pattern in patterns for path in ROOT.glob(pattern) if path.suffix != ".pyc"]
    found = {word for path in places for word in re.findall(r"[a-z0-9_]+", path.read_text())}
    logged = {re.sub(r"(?<=.)([A-Z])", r"_\1", name).lower() for name in dir(events)}
    return frozenset({*found, *logged, *(name for name, *_ in describe())})


@page_by_page
def test_words_exist(page: Path) -> None:
    """Every key, event, metric, field and reason between backquotes is one that the code has."""
    spoken = set(re.findall(r"`([a-z][a-z0-9]*(?:_[a-z0-9]+)+)(?:\{[^`]*\})?`", page.read_text()))
    assert set() == spoken - words_of_the_package() - OF_OTHERS


def test_native_modules_are_explained() -> None:
    """ARCHITECTURE.md has each native module and header in its list, and none that is not there."""
    page = (ROOT / "ARCHITECTURE.md").read_text()
    (listed,) = re.findall(r"^      slice scan .*?(?=\n\n)", page, re.MULTILINE | re.DOTALL)
    named = {
        word
        for line in listed.splitlines()
        for word in re.split(r" {2,}", line[6:])[0].split()
        if not line.startswith(" " * 7)
    }
    native = ROOT / "veneurpy" / "engine" / "native"
    modules = {path.stem for path in native.glob("*.p[yx][xd]")} - {"compat"}
    assert modules | {path.name for path in native.glob("*.h")} == named


def test_questions_are_explained() -> None:
    """benchmarks/README.md has each question of `make bench` in its table."""
    page = (ROOT / "benchmarks" / "README.md").read_text()
    table = page.split("## Questions")[1].split("\n## ")[0]
    assert list(QUESTIONS) == re.findall(r"^\| `(\w+)` \| \S", table, re.MULTILINE)
