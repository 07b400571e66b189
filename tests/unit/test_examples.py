"""What the documentation gives people to type and to write is taken by what it is for."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from tests.engines import END_MS, NOW_NS, START_MS, has_native
from tests.unit.test_docs import PAGES, ROOT
from veneurpy.cli import main
from veneurpy.config import load_config, parse_config
from veneurpy.config.veneur import top_keys
from veneurpy.engine import EngineOptions, open_engine
from veneurpy.flush.summarise import plan_of
from veneurpy.ports import FlushBatch
from veneurpy.sinks._table import Table

COMMAND = re.compile(r"^(?:\$ )?(?:\S*/bin/)?veneurpy (?=[a-z]|-)")
ELSEWHERE = "sinks.md"
"""Its configurations name a plug-in: tests/unit/sinks/test_sinks_page.py installs it first."""


BLOCK = re.compile(r"^```\w*\n((?s:.*?))^```|^\n((?: {4,}.*\n|\n(?= {4}))+)", re.MULTILINE)


def blocks(page: Path) -> Iterator[str]:
    """The blocks of code in a page, fenced or indented."""
    for fenced, indented in BLOCK.findall(page.read_text()):
        yield fenced or dedent(indented)


def commands() -> Iterator[tuple[str, str]]:
    """(page, arguments) of every `veneurpy …` that people are told to type."""
    for page in PAGES:
        inline = re.findall(r"`([^`\n]+)`", page.read_text())
        lines = [line for block in blocks(page) for line in block.splitlines()]
        for line in [*lines, *inline]:
            if COMMAND.match(line):
                yield page.name, COMMAND.sub("", line)


def configurations() -> Iterator[tuple[str, str]]:
    """(page, text) of every block that is a configuration."""
    for page in PAGES:
        for block in blocks(page):
            try:
                found = yaml.safe_load(block)
            except yaml.YAMLError:
                continue
            if isinstance(found, dict) and found.keys() & set(top_keys()):
                yield page.name, block


@pytest.mark.parametrize(("page", "typed"), sorted(set(commands())))
def test_a_command_is_understood(page: str, typed: str) -> None:
    """Every command on a page has the options and arguments that its command takes."""
    context = click.Context(main, info_name="veneurpy")
    command: click.Command = main
    words = shlex.split(typed, comments=True)
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None
        command = found
        if not words:
            return  # a command that is only named
    command.make_context(name, words, parent=context)


@pytest.mark.parametrize(
    ("page", "text"), [case for case in configurations() if case[0] != ELSEWHERE]
)
def test_a_configuration_loads(page: str, text: str) -> None:
    """Every configuration on a page loads as it is."""
    parse_config(text, source=page)


def published(datagrams: Iterable[bytes]) -> str:
    """The table of one interval, as the built-in configuration shows it."""
    config = load_config(None, environ={}).config
    engine = open_engine("native" if has_native() else "python", EngineOptions(), start_ms=START_MS)
    reader = engine.open_reader("r", max_datagram_bytes=config.metric_max_length)
    for datagram in datagrams:
        reader.feed(datagram, now_ns=NOW_NS)
    interval = engine.rotate(END_MS)
    columns = interval.columns(plan_of(config.aggregates, config.percentiles))
    interval.release()
    engine.close()
    batch = FlushBatch(START_MS, config.interval, "h", columns)
    return Table(max_rows=50, width=120, colour=False).draw(batch).rstrip()


def test_the_readme_shows_what_comes_out() -> None:
    """What README.md sends with the built-in configuration is, at the end, what it shows."""
    _, sending, script, shown = list(blocks(ROOT / "README.md"))[:4]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        port = receiver.getsockname()[1]
        emit, echo = sending.splitlines()
        words = shlex.split(COMMAND.sub("", emit))
        CliRunner().invoke(main, [words[0], "--hostport", f"127.0.0.1:{port}", *words[1:]])
        names: dict[str, Any] = {}
        exec(script.replace("8125", str(port)), names)
        names["statsd"].close_socket()
        lines = [receiver.recv(1 << 16) for _ in range(5)]
    said = re.match(r'echo "(.*)" > /dev/udp/127.0.0.1/8125 ', echo)
    assert said is not None
    _, *rows = published([*lines, said[1].encode()]).splitlines()
    title, *shown_rows = shown.splitlines()
    assert title.endswith(f"10 s  {len(rows)} points")
    assert rows == shown_rows
