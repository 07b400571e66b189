"""The registry: from a kind to a class."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from veneurpy.errors import ConfigError
from veneurpy.registry import sink_class, sink_kinds
from veneurpy.sinks.blackhole import BlackholeSink


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs a package that offers sinks: a module and the lines of its entry points."""

    def installed(package: str, source: str, **kinds: str) -> None:
        (tmp_path / f"{package}.py").write_text(source)
        info = tmp_path / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        points = "".join(f"{kind} = {target}\n" for kind, target in kinds.items())
        (info / "entry_points.txt").write_text(f"[veneurpy.sinks]\n{points}")
        monkeypatch.syspath_prepend(tmp_path)

    return installed


def test_our_sinks_are_registered():
    """Every sink of ours has its entry point."""
    assert {"blackhole", "console", "debug", "localfile", "prometheus", "statsd"} <= set(
        sink_kinds()
    )


def test_kinds_are_sorted_and_unique():
    """A kind is listed once, in order."""
    assert sorted(set(sink_kinds())) == sink_kinds()


def test_a_kind_yields_its_class():
    """A kind names a class."""
    assert BlackholeSink is sink_class("blackhole")


@pytest.mark.parametrize(
    ("kind", "nearest"), [("promethues", "prometheus"), ("local_file", "localfile")]
)
def test_a_misspelt_kind_gets_a_suggestion(kind: str, nearest: str):
    """An unknown kind is an error that names the nearest one."""
    with pytest.raises(ConfigError, match=f"unknown sink kind '{kind}': did you mean '{nearest}'"):
        sink_class(kind)


def test_an_unknown_kind_lists_what_there_is():
    """Where nothing is near, the error says what there is, and makes no guess."""
    with pytest.raises(ConfigError, match="there are blackhole, console, debug") as caught:
        sink_class("zzz")
    assert "did you mean" not in str(caught.value)


def test_listing_imports_no_sink():
    """Neither importing the registry nor listing the kinds imports a sink."""
    program = (
        "import sys; from veneurpy.registry import sink_kinds; sink_kinds();"
        "sys.exit(any(m.startswith('veneurpy.sinks') or m == 'pydantic' for m in sys.modules))"
    )
    assert 0 == subprocess.run([sys.executable, "-c", program], check=False).returncode


def test_a_foreign_sink_is_found(install):
    """A package adds a sink by an entry point of its own."""
    install("their_sink", "from veneurpy.testing import MemorySink", theirs="their_sink:MemorySink")
    assert "theirs" in sink_kinds()
    assert "MemorySink" == sink_class("theirs").__name__


def test_a_sink_that_cannot_be_imported_says_why(install):
    """A failing import is a configuration error that names the target and the cause."""
    install("needs_more", "import not_there_at_all", needy="needs_more:Sink")
    with pytest.raises(
        ConfigError,
        match=r"'needy' cannot be loaded from needs_more:Sink: ModuleNotFoundError: .*not_there",
    ):
        sink_class("needy")


def test_what_is_not_a_sink_is_refused(install):
    """A class that lacks a member of a sink is refused, and the members are named."""
    install("half_a_sink", "class Half:\n    Config = takes_events = 1", half="half_a_sink:Half")
    with pytest.raises(ConfigError, match="lacks write_class, takes_checks, start, flush, stop"):
        sink_class("half")


def test_a_kind_that_two_packages_claim_is_refused(install):
    """Which of two packages wins is never left to chance."""
    source = "from veneurpy.testing import MemorySink as Sink"
    install("one_sink", source, twice="one_sink:Sink")
    install("two_sink", source, twice="two_sink:Sink")
    with pytest.raises(ConfigError, match="one_sink: one_sink:Sink, two_sink: two_sink:Sink"):
        sink_class("twice")
