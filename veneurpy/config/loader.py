"""From a file, the environment and flags to a checked Config. Opens nothing but the files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from veneurpy.config.between import check_between_nodes
from veneurpy.config.budgets import check_budgets
from veneurpy.config.durability import check_durability
from veneurpy.config.encryption import check_encryption
from veneurpy.config.environment import apply_environment, apply_overrides
from veneurpy.config.explain import explain
from veneurpy.config.filters import check_filters
from veneurpy.config.mapping import load_mapping
from veneurpy.config.model import Config
from veneurpy.config.place import Places
from veneurpy.config.report import Report
from veneurpy.config.sinks import SinkKinds, installed_sinks, resolve_sinks
from veneurpy.config.text import parse
from veneurpy.config.veneur import translate
from veneurpy.errors import ConfigError

DEFAULT_SOURCE = "default.yaml (built in)"


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A configuration that can be run."""

    config: Config
    warnings: list[str]
    """One line each, with its place."""
    source: str
    """The file it came from, as it is shown to people."""


def load_config(
    path: Path | None,
    *,
    environ: Mapping[str, str],
    overrides: Mapping[str, Any] | None = None,
    sinks: SinkKinds | None = None,
) -> LoadedConfig:
    """Loads a file, or the defaults that come with veneurpy for None. Has no side effects.

    `overrides` are flags: keys (dots for nesting) and values, None for "not given". A flag prevails
    over the environment, that over the file, that over the defaults. `sinks` are by default those
    that are installed. Raises ConfigError whose text lists every mistake.
    """
    text, source = _read(path)
    folder = None if path is None else path.parent
    return parse_config(
        text, source=source, folder=folder, environ=environ, overrides=overrides, sinks=sinks
    )


def parse_config(
    text: str,
    *,
    source: str = "<text>",
    folder: Path | None = None,
    environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, Any] | None = None,
    sinks: SinkKinds | None = None,
) -> LoadedConfig:
    """Loads YAML that is in memory; otherwise as `load_config`.

    `folder` is what `name_mapping` is relative to; without it, the working directory.
    """
    kinds = installed_sinks() if sinks is None else sinks
    text = text.removeprefix("\ufeff")
    report = Report(Places(source, text))
    data = parse(text, report)
    options_of = _options_of(kinds)
    apply_environment(data, environ or {}, options_of, report)
    apply_overrides(data, overrides or {}, options_of, report)
    data = translate(data, report)
    resolve_sinks(data, kinds, report)
    config = _validate(data, report)
    check_budgets(config, report)
    check_filters(config.filters, report)
    check_durability(config, report)
    check_encryption(config, report)
    check_between_nodes(config, report)
    _check_http(config, report)
    _warn_of_nothing(config, report)
    warnings = report.rendered_warnings()
    if config.name_mapping:
        rules = (folder or Path()) / config.name_mapping
        config = config.model_copy(update={"name_mapping": str(rules)})
        warnings += load_mapping(rules)[1]
    return LoadedConfig(config, warnings, source)


def _read(path: Path | None) -> tuple[str, str]:
    if path is None:
        text = resources.files("veneurpy.config").joinpath("default.yaml").read_text("utf-8")
        return text, DEFAULT_SOURCE
    try:
        return path.read_bytes().decode(), str(path)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ConfigError(f"{path}:{line}: not UTF-8 text: {error.reason}") from error


def _options_of(kinds: SinkKinds) -> Any:
    def options_of(kind: str) -> type[BaseModel] | None:
        try:
            return kinds.options(kind) if kind in kinds.names() else None
        except ConfigError:
            return None  # reported when the sink's own options are checked

    return options_of


def _validate(data: dict[str, Any], report: Report) -> Config:
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        explain(error, Config, (), report)
        report.raise_mistakes()
        raise
    report.raise_mistakes()
    return config


def _check_http(config: Config, report: Report) -> None:
    """Raises ConfigError for lines by HTTP where nothing is served by it."""
    if config.http_address is None and any(url.scheme == "http" for url in config.listen_urls):
        what = 'lines by HTTP ("http_statsd", or "http:" among the addresses) need "http_address"'
        report.mistake(report.places.of(("http_address",), key=True), what)
        report.raise_mistakes()


def _warn_of_nothing(config: Config, report: Report) -> None:
    """All are allowed, as in Veneur, and hardly ever meant."""
    listens = config.listen_urls or config.grpc_listen_addresses
    if not listens and not config.grpc_address:
        what = 'nothing is received: "statsd_listen_addresses" is empty'
        report.warning(report.places.whole, what)
    if not config.metric_sinks and not config.forwards and config.chain is None:
        report.warning(report.places.whole, 'nothing is published: "metric_sinks" is empty')
    if config.veneur_metrics_additional_tags and config.stats_address is None:
        key = "veneur_metrics_additional_tags"
        what = f'"{key}" has no effect: "stats_address" is empty'
        report.warning(report.places.of((key,), key=True), what)
