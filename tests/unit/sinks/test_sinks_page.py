"""docs/sinks.md says what is, and its examples run."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from veneurpy.config.loader import parse_config
from veneurpy.registry import sink_class
from veneurpy.sinks._document import documented, with_options
from veneurpy.sinks.console import ConsoleSink
from veneurpy.testing import FakeContext, batch

PAGE = (Path(__file__).parents[3] / "docs" / "sinks.md").read_text()
OURS = ("blackhole", "console", "debug", "localfile", "prometheus", "statsd")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def graphite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Installs the page's example as a package of its own."""
    (tmp_path / "veneurpy_graphite.py").write_text(blocks("python")[0])
    points = tomllib.loads(blocks("toml")[0])["project"]["entry-points"]["veneurpy.sinks"]
    info = tmp_path / "veneurpy_graphite-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: veneurpy-graphite\nVersion: 1.0\n")
    lines = "".join(f"{kind} = {target}\n" for kind, target in points.items())
    (info / "entry_points.txt").write_text(f"[veneurpy.sinks]\n{lines}")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "veneurpy_graphite", raising=False)
    return tmp_path


def test_the_options_are_those_of_the_sinks():
    """The page shows every option as it is: `python -m veneurpy.sinks._document` writes them."""
    assert PAGE == with_options(PAGE)


def test_every_sink_has_its_chapter():
    """Each of our sinks has a chapter and a row in the table; each with options shows them."""
    for kind in OURS:
        assert f"\n## {kind}\n" in PAGE
        assert f"| [{kind}](#{kind}) |" in PAGE
    with_some = [kind for kind in OURS if sink_class(kind).Config.model_fields]
    assert with_some == sorted(documented(PAGE))


def test_the_table_tells_who_takes_events():
    """The table says "yes" of the sinks that take events and checks, and of no other."""
    for kind in OURS:
        (answer,) = re.findall(rf"^\| \[{kind}\]\(.*\| (\w+) \|$", PAGE, re.MULTILINE)
        cls = sink_class(kind)
        assert ("yes" if cls.takes_events and cls.takes_checks else "no") == answer


@pytest.mark.usefixtures("graphite")
@pytest.mark.parametrize("number", range(len(blocks("yaml"))))
def test_the_configurations_load(number: int):
    """Every configuration on the page is one that loads, with the example installed."""
    assert parse_config(blocks("yaml")[number]).config.metric_sinks


@pytest.mark.usefixtures("graphite")
async def test_the_example_passes_the_examples_test():
    """The sink on the page passes the test on the page."""
    namespace: dict[str, object] = {}
    exec(compile(blocks("python")[1], "<docs/sinks.md>", "exec"), namespace)
    tests = [value for name, value in namespace.items() if name.startswith("test_")]
    assert 1 == len(tests)
    for test in tests:
        await test()


@pytest.mark.usefixtures("graphite")
def test_the_example_is_a_sink():
    """The registry takes the example for a sink."""
    assert "GraphiteSink" == sink_class("graphite").__name__


async def test_the_console_looks_as_shown(capfd: pytest.CaptureFixture[str]):
    """The page shows the console's output as it is."""
    rows = (
        ("api.hits", 1234567.0, "counter", "env:prod"),
        ("api.latency.99percentile", 12.3456789, "gauge", "az:1,env:prod"),
        ("queue", -7.0),
        ("users", 42.0, "gauge", "env:prod"),
    )
    for format_, shown in (("table", 4), ("lines", 1)):
        sink = ConsoleSink(ConsoleSink.Config(format=format_), FakeContext())
        await sink.flush(batch(*rows, start_ms=1_795_422_610_000))
        await sink.stop()
        for line in capfd.readouterr().out.rstrip().splitlines()[:shown]:
            assert f"\n    {line.rstrip()}\n" in PAGE
