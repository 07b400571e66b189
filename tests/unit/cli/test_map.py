"""`veneurpy map`."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from veneurpy.cli import main

RULES = """\
mappings:
- match: "web.*.hits"
  name: hits
  labels: {site: "$1"}
- match: "debug.*"
  action: drop
"""


def test_it_shows_what_becomes_of_names_and_by_which_rule(tmp_path: Path) -> None:
    """Each name has one line, with the place of its rule."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULES)
    names = ["web.fra.hits", "debug.x", "other"]
    shown = CliRunner().invoke(main, ["map", *names, "--mapping", str(rules)])
    assert 0 == shown.exit_code, shown.output
    assert [
        f"web.fra.hits  becomes hits  #site:fra  ({rules}:2: web.*.hits)",
        f"debug.x  is dropped  ({rules}:5: debug.*)",
        "other  stays as it is: no rule matches",
    ] == shown.output.splitlines()


def test_the_file_of_the_configuration_is_used(tmp_path: Path) -> None:
    """Without a mapping file on the command line, the one that `name_mapping` names counts."""
    rules, config = tmp_path / "rules.yaml", tmp_path / "host.yaml"
    rules.write_text(RULES)
    config.write_text(f"name_mapping: {rules}\n")
    shown = CliRunner().invoke(main, ["map", "debug.x", "--file", str(config)])
    assert f"debug.x  is dropped  ({rules}:5: debug.*)\n" == shown.output


def test_a_relative_path_begins_at_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rules lie beside the configuration, wherever the command is started."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "rules.yaml").write_text(RULES)
    (tmp_path / "etc" / "host.yaml").write_text("name_mapping: rules.yaml\n")
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(main, ["map", "debug.x", "--file", "etc/host.yaml"])
    assert "debug.x  is dropped  (etc/rules.yaml:5: debug.*)\n" == shown.output


def test_mistakes_are_told(tmp_path: Path) -> None:
    """A file with a mistake in it is no mapping."""
    rules = tmp_path / "rules.yaml"
    rules.write_text("mappings:\n- {match: '(', match_type: regex, name: x}\n")
    shown = CliRunner().invoke(main, ["map", "x", "--mapping", str(rules)])
    assert 1 == shown.exit_code
    assert f"{rules}:2:" in shown.output


def test_filters_act_before_the_mapping(tmp_path: Path) -> None:
    """It says which filters a name meets, and which rule its new name meets."""
    rules, config = tmp_path / "rules.yaml", tmp_path / "host.yaml"
    rules.write_text(RULES)
    config.write_text(
        f"name_mapping: {rules}\n"
        "filters:\n"
        '- {name: {prefix: old.}, rename: "web.$1.hits", strip_tags: [host]}\n'
        "- {name: {exact: x}, drop: true}\n"
    )
    shown = CliRunner().invoke(main, ["map", "old.fra", "x", "y", "--file", str(config)])
    assert [
        f"old.fra  becomes hits  #site:fra  without host  "
        f"({config}: filters[0], {rules}:2: web.*.hits)",
        f"x  is dropped  ({config}: filters[1])",
        "y  stays as it is: no rule matches",
    ] == shown.output.splitlines()


def test_tags_decide(tmp_path: Path) -> None:
    """A name with tags is a series; without them it says which filters ask for some."""
    config = tmp_path / "host.yaml"
    config.write_text(
        "filters:\n"
        '- {name: {prefix: api.}, tags: ["env:dev*"], drop: true}\n'
        '- {name: {prefix: api.}, tags: [{regex: "^v:\\\\d+$"}], rename: "old.$1"}\n'
        "- {name: {prefix: api.}, strip_tags: [{prefix: tmp_}]}\n"
    )
    asked = ["api.x", "api.x|#env:dev1,v:1", "api.x|#v:1,tmp_a:2,b", "api.x|#v:x,veneurlocalonly"]
    shown = CliRunner().invoke(main, ["map", *asked, "--file", str(config)])
    where = f"{config}: filters"
    assert [
        f"api.x  becomes api.x  without prefix tmp_  ({where}[2])"
        "  with some tags also filters[0], filters[1]",
        f"api.x|#env:dev1,v:1  is dropped  ({where}[0])",
        f"api.x|#v:1,tmp_a:2,b  becomes old.x  #b,v:1  ({where}[1], {where}[2])",
        f"api.x|#v:x,veneurlocalonly  becomes api.x  #v:x  ({where}[2])",
    ] == shown.output.splitlines()


@pytest.mark.parametrize(("name", "file"), [("filters", "host"), ("mapping", "statsd")])
def test_the_example_of_the_page(
    name: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What docs/filters.md and docs/mapping.md show is what the command prints."""
    page = (Path(__file__).parents[3] / "docs" / f"{name}.md").read_text()
    settings = re.search(r"```yaml\n(.*?)```", page, re.DOTALL)
    example = re.search(r"    \$ veneurpy (map .*)\n((?:    .*\n)+)", page)
    assert settings is not None
    assert example is not None
    (tmp_path / f"{file}.yaml").write_text(settings[1])
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(main, shlex.split(example[1]))
    assert [line.strip() for line in example[2].splitlines()] == shown.output.splitlines()
