"""The files that come with veneurpy, and the page that is written from the model."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path

import pytest

from veneurpy.config import Config, LoadedConfig, effective, load_config, parse_config
from veneurpy.config.document import document

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "config").glob("*.yaml"))
HOST = (ROOT / "config" / "host.yaml").read_text()
KINDS = ["blackhole", "console", "debug", "localfile", "prometheus", "statsd"]
COMMENTED_KEY = re.compile(r"^# (?=[a-z_]+: )", re.MULTILINE)


def load_file(path: Path | None) -> LoadedConfig:
    return load_config(path, environ={})


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_every_file_loads_without_a_warning(path: Path) -> None:
    """What is offered to start from can be run."""
    assert [] == load_file(path).warnings


def test_without_a_file_the_packaged_defaults_run() -> None:
    """UDP on 127.0.0.1:8125 to the console, with four percentiles."""
    config = load_file(None).config
    assert ["udp://127.0.0.1:8125"] == [str(url) for url in config.statsd_listen_addresses]
    assert ["console"] == [entry.kind for entry in config.metric_sinks]
    assert (0.5, 0.75, 0.95, 0.99) == config.percentiles
    assert 10.0 == config.interval


def test_the_packaged_defaults_are_those_that_are_shown() -> None:
    """config/default.yaml is the file in the package."""
    packaged = resources.files("veneurpy.config").joinpath("default.yaml").read_text()
    assert packaged == (ROOT / "config" / "default.yaml").read_text()


def test_the_host_file_names_every_key() -> None:
    """No key is missing in the annotated file, and none is in it twice."""
    keys = re.findall(r"^(?:# )?([a-z_]+):(?= |$)", HOST, re.MULTILINE)
    assert sorted(Config.model_fields) == sorted(keys)


def test_the_host_file_shows_true_defaults() -> None:
    """What is commented out changes nothing when it is not."""
    assert load_file(ROOT / "config" / "host.yaml").config == (
        parse_config(COMMENTED_KEY.sub("", HOST)).config
    )


@pytest.mark.parametrize("path", FILES, ids=[path.name for path in FILES])
def test_all_can_be_uncommented(path: Path) -> None:
    """Whatever is commented out can be taken in as it is, examples below a key included."""
    text = re.sub(r"^# (?=[a-z_]+:[ \n])", "", path.read_text(), flags=re.MULTILINE)
    blocks = re.compile(r"^(?:[a-z_]+:.*\n)((?:#  +\S.*\n)+)", re.MULTILINE)
    text = blocks.sub(lambda block: re.sub(r"^# ", "", block[0], flags=re.MULTILINE), text)
    assert [] == [warning for warning in parse_config(text).warnings if "no effect" not in warning]


def test_the_host_file_shows_every_sink_with_every_option() -> None:
    """The sinks that are commented out can be uncommented at once, and show true defaults."""
    text = re.sub(r"^  # (?= *(- kind|config|[a-z_]+):)", "  ", HOST, flags=re.MULTILINE)
    shown = {entry.kind: entry.config for entry in parse_config(text).config.metric_sinks}
    assert KINDS == sorted(shown)
    for kind, options in shown.items():
        assert set(type(options).model_fields) == options.model_fields_set, kind
        given = options.model_dump(exclude={"flush_file", "address"})
        assert {key: type(options).model_fields[key].default for key in given} == given


def test_the_page_is_written_from_the_model() -> None:
    """docs/configuration.md is what `python -m veneurpy.config.document` prints."""
    assert document() == (ROOT / "docs" / "configuration.md").read_text()


def test_the_page_has_every_key() -> None:
    """Every key has its heading."""
    headings = re.findall(r"^### `(\w+)`$", document(), re.MULTILINE)
    assert list(effective(Config())) == headings
