"""`veneurpy validate`."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from veneurpy.cli.validate import validate

GOOD = "statsd_listen_addresses: [udp://127.0.0.1:8125]\nmetric_sinks: [{kind: blackhole}]\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node.yaml"


def run(path: Path, **environ: str) -> Result:
    return CliRunner(env=environ).invoke(validate, [str(path)])


def test_a_good_file_is_ok(path: Path) -> None:
    """A file that can be run ends with 0 and one line on stdout."""
    path.write_text(GOOD)
    result = run(path)
    assert (0, f"{path}: ok\n", "") == (result.exit_code, result.stdout, result.stderr)


def test_warnings_go_to_stderr(path: Path) -> None:
    """A file with warnings is ok as well."""
    path.write_text(GOOD + "num_workers: 96\n")
    result = run(path)
    assert (0, f"{path}: ok\n") == (result.exit_code, result.stdout)
    assert result.stderr.startswith(f'warning: {path}:3:1: "num_workers" has no effect')


def test_a_wrong_file_ends_with_1(path: Path) -> None:
    """Mistakes go to stderr, nothing to stdout."""
    path.write_text(GOOD + "intervall: 1s\n")
    result = run(path)
    assert (1, "") == (result.exit_code, result.stdout)
    assert result.stderr.startswith(f'{path}:3:1: unknown key "intervall"')
    assert result.stderr.endswith(f"1 mistake in {path}\n")


def test_a_missing_file_ends_with_1(path: Path) -> None:
    """There is nothing to run."""
    result = run(path)
    assert (1, f"{path}: cannot be read: No such file or directory\n") == (
        result.exit_code,
        result.stderr,
    )


def test_the_environment_counts(path: Path) -> None:
    """What is checked is what would run."""
    path.write_text(GOOD)
    result = run(path, VENEURPY_INTERVAL="10")
    assert 1 == result.exit_code
    assert result.stderr.startswith("VENEURPY_INTERVAL: interval: expected a duration")


def test_validating_leaves_nothing_behind(path: Path, tmp_path: Path) -> None:
    """Checking a file with a file sink creates no file."""
    points = tmp_path / "points"
    sinks = f"metric_sinks: [{{kind: localfile, config: {{flush_file: {points}}}}}]"
    path.write_text(f"statsd_listen_addresses: [udp://127.0.0.1:8125]\n{sinks}\n")
    assert 0 == run(path).exit_code
    assert [path] == list(tmp_path.iterdir())
