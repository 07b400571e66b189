"""Configurations of Veneur 14.2, its last release, with keys that it has no longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.conftest import Complain, Load
from veneurpy.config.veneur import VENEUR_KEYS
from veneurpy.config.veneur_older import OLDER_DETAILS, OLDER_IGNORED, OLDER_KEYS, OLDER_REFUSED

EXAMPLE = (Path(__file__).parent / "data" / "veneur_14_2.yaml").read_text()
PAGE = (Path(__file__).parents[3] / "docs" / "migration-from-veneur.md").read_text()
SILENT = ("aws_s3_bucket", "kafka_broker", "tags", "lightstep_access_token", "flush_file")


def without(*keys: str) -> str:
    """The example without some keys of one line."""
    return "\n".join(line for line in EXAMPLE.splitlines() if line.partition(":")[0] not in keys)


def test_the_example_says_what_would_be_missing(complain: Complain) -> None:
    """Of some eighty old keys those are mistakes that are for points; each says what to do."""
    asking = ("datadog_api_key", "signalfx_api_key", "prometheus_repeater_address")
    text = complain(EXAMPLE, bare=True)
    assert [f'"{key}" of Veneur 14.2: {OLDER_REFUSED[key]}' for key in asking] == [
        line.partition(": ")[2] for line in text.splitlines() if line.startswith("f.yaml:")
    ]
    assert "3 mistakes" in text


def test_the_example_loads_without_them(load: Load) -> None:
    """The rest runs; details of what is off are passed over, and spans are warned about once."""
    refused = ("datadog_api_key", "signalfx_api_key", "prometheus_repeater_address")
    loaded = load(without(*refused), bare=True)
    assert 4 == len(loaded.config.statsd_listen_addresses)
    warned = {warning.split('"')[1] for warning in loaded.warnings if '"' in warning}
    assert {"falconer_address", "splunk_hec_address", "xray_address"} == warned & OLDER_KEYS


@pytest.mark.parametrize("key", SILENT)
def test_an_old_key_that_says_nothing_is_passed_over(key: str, load: Load) -> None:
    """Go's zero value is "not given" of these keys, too."""
    assert [] == load(f'{key}: ""').warnings
    assert [] == load(f"{key}:").warnings


@pytest.mark.parametrize("key", sorted(OLDER_REFUSED))
def test_an_old_key_for_points_is_refused(key: str, complain: Complain) -> None:
    """What would be missing is a mistake, at its place."""
    assert f'f.yaml:3:1: "{key}" of Veneur 14.2: {OLDER_REFUSED[key]}' in complain(f"{key}: [a:b]")


@pytest.mark.parametrize("key", sorted(OLDER_IGNORED))
def test_an_old_key_without_effect_is_warned_about(key: str, load: Load) -> None:
    """What does nothing here says so."""
    assert [f'f.yaml:3:1: "{key}" has no effect: {OLDER_IGNORED[key]}'] == load(
        f"{key}: 1"
    ).warnings


def test_an_old_key_has_one_meaning() -> None:
    """No key is in two tables, and none is one of Veneur's last commit."""
    tables = [OLDER_REFUSED, OLDER_IGNORED, OLDER_DETAILS]
    assert len(OLDER_KEYS) == sum(map(len, tables))
    assert set() == OLDER_KEYS & VENEUR_KEYS


def test_a_url_is_no_address(complain: Complain) -> None:
    """Veneur 14.2 forwarded to URLs: the host and the port in them are proposed."""
    text = complain('forward_address: "http://global:8127/"')
    assert 'expected "host:port" and not a URL, found "http://global:8127/"' in text
    assert "did you mean global:8127?" in text


def test_the_migration_page_names_what_is_refused() -> None:
    """The page says of each old key that is refused what to do."""
    chapter = PAGE.split("## Of Veneur 14.2")[1].split("\n## ")[0]
    assert set() == {key for key in OLDER_REFUSED if f"`{key}`" not in chapter}
