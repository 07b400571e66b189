"""Sinks that need no installation: their options have one field of each sort."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field

from veneurpy.config import Duration, LoadedConfig, Secret, Section, SinkKinds, parse_config
from veneurpy.errors import ConfigError


class NoOptions(Section):
    """A sink without options."""


class FileOptions(Section):
    """The options of a sink that needs some."""

    flush_file: str
    format: Literal["jsonl", "csv"] = "jsonl"
    keep: Annotated[int, Field(ge=0, le=9)] = 5
    every: Duration = 60.0
    columns: tuple[str, ...] = Field(default=(), strict=False)
    api_key: Secret = Secret("")


OPTIONS: dict[str, type[BaseModel]] = {
    "console": NoOptions,
    "debug": NoOptions,
    "localfile": FileOptions,
    "prometheus": NoOptions,
}


def options_of(kind: str) -> type[BaseModel]:
    if kind == "broken":
        raise ConfigError("sink kind 'broken' cannot be loaded from here")
    return OPTIONS[kind]


KINDS = SinkKinds(lambda: [*OPTIONS, "broken"], options_of)
QUIET = "statsd_listen_addresses: [udp://:0]\nmetric_sinks: [{kind: debug}]\n"
"""What a file needs in order to load without a warning: two lines."""

Load = Callable[..., LoadedConfig]
Complain = Callable[..., str]


@pytest.fixture
def load() -> Load:
    """Loads a text on top of QUIET; its first line is line 3. `bare=True` leaves QUIET out."""

    def load_text(text: str = "", *, bare: bool = False, **options: object) -> LoadedConfig:
        whole = text if bare else QUIET + text
        return parse_config(whole, source="f.yaml", sinks=KINDS, **options)  # type: ignore[arg-type]

    return load_text


@pytest.fixture
def complain(load: Load) -> Complain:
    """The text of the error that loading raises."""

    def text_of(text: str = "", **options: object) -> str:
        with pytest.raises(ConfigError) as raised:
            load(text, **options)
        return str(raised.value)

    return text_of
