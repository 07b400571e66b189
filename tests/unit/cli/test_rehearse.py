"""`veneurpy rehearse`: a capture through two configurations."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.engines import engine_kinds
from veneurpy.capture.dogfile import HEADER, encode_datagram, encode_end
from veneurpy.cli import main
from veneurpy.engine import EngineKind

SECOND = 1_000_000_000
BEGIN = 1_700_000_000 * SECOND
TRAFFIC = (
    (0, b"calls:1|c|#code:200\ncalls:2|c|#code:500"),
    (3, b"latency:10|ms\nlatency:20|ms\nbad line"),
    (12, b"calls:4|c|#code:200"),
    (12, b"load:0.5|g"),
)
OLD = "percentiles: [0.5]\naggregates: [max]\n"


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    file = tmp_path / "c.dog"
    body = b"".join(encode_datagram(BEGIN + at * SECOND, data) for at, data in TRAFFIC)
    file.write_bytes(HEADER + body + encode_end())
    return file


def rehearse(capture: Path, new: str, old: str | None = OLD) -> Result:
    folder = capture.parent
    (folder / "new.yaml").write_text(new)
    arguments = ["rehearse", str(capture), "--config", str(folder / "new.yaml")]
    if old is not None:
        (folder / "old.yaml").write_text(old)
        arguments += ["--against", str(folder / "old.yaml")]
    return CliRunner().invoke(main, arguments)


def table(result: Result) -> list[list[str]]:
    return [line.split() for line in result.output.splitlines()[1:-1]]


@engine_kinds
def test_the_same(capture: Path, kind: EngineKind) -> None:
    """Configurations that publish the same make exit code 0 and no table."""
    result = rehearse(capture, f"{OLD}engine: {kind}\nhttp_address: 127.0.0.1:1\n")

    assert "7 lines; series: 5 old, 5 new, 0 differences" == result.output.splitlines()[-1]
    assert 0 == result.exit_code


def test_a_tag_and_a_percentile(capture: Path) -> None:
    """Series that come and go are shown with their values, - for none; the exit code is 1."""
    new = "percentiles: [0.75]\naggregates: [max]\nextend_tags: ['env:prod']\n"
    result = rehearse(capture, new)

    assert ["1", "-", "2", "calls{code:200}", "counter"] in table(result)
    assert ["-", "1", "2", "calls{code:200,env:prod}", "counter"] in table(result)
    assert ["15", "-", "1", "latency.50percentile", "gauge"] in table(result)
    assert "10 differences" in result.output
    assert 1 == result.exit_code


def test_what_is_folded(capture: Path) -> None:
    """A budget shows in series and in figures."""
    result = rehearse(capture, f"{OLD}max_series_per_name: 1\n")

    assert ["-", "2", "1", "calls{veneurpy.folded:true}", "counter"] in table(result)
    assert ["0", "1", "1", "values", "folded"] in table(result)
    assert 1 == result.exit_code


def test_another_interval(capture: Path) -> None:
    """With another interval counters are compared by their sums, others by being there."""
    result = rehearse(capture, f"{OLD}interval: 60s\n")

    assert "the intervals differ: of counters the sums" in result.output
    assert "0 differences" in result.output
    assert 0 == result.exit_code


def test_against_the_defaults(capture: Path) -> None:
    """Without --against the built-in configuration is the old one."""
    result = rehearse(capture, "percentiles: [0.5, 0.75, 0.95, 0.99]\n", None)

    assert 0 == result.exit_code, result.output


@pytest.mark.parametrize(
    ("content", "new", "message"),
    [(b"rubbish", OLD, "is no capture"), (None, "intervall: 3s\n", "intervall")],
)
def test_what_cannot_be_told(capture: Path, content: bytes | None, new: str, message: str) -> None:
    """A bad file or configuration is an error, 2, and no difference."""
    if content is not None:
        capture.write_bytes(content)
    result = rehearse(capture, new)

    assert message in result.output
    assert 2 == result.exit_code


@engine_kinds
def test_a_mapping(capture: Path, kind: EngineKind) -> None:
    """Names are mapped as they would be, by the file beside the configuration; drops are shown."""
    (capture.parent / "rules.yaml").write_text(
        "mappings:\n- {match: calls, name: requests}\n- {match: load, action: drop}\n"
    )
    result = rehearse(capture, f"{OLD}engine: {kind}\nname_mapping: rules.yaml\n")

    rows = [" ".join(row) for row in table(result)]
    assert "1 - 2 calls{code:200} counter" in rows
    assert "- 1 2 requests{code:200} counter" in rows
    assert "0.5 - 1 load gauge" in rows
    assert "0 1 1 values filtered" in rows


def test_the_example_of_the_page(capture: Path) -> None:
    """What docs/capture.md shows is what the command prints."""
    page = (Path(__file__).parents[3] / "docs" / "capture.md").read_text()
    shown = page.split("    veneurpy rehearse")[1].split("    " + " " * 12 + "old")[1]
    filters = "filters: [{tags: ['code:200'], add_tags: ['env:prod']}]\n"
    result = rehearse(capture, OLD + filters)
    assert [line.split() for line in result.stdout.splitlines()] == [
        line.split() for line in f"old{shown}".split("\n\n")[0].splitlines()
    ]
