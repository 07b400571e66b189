"""The settings of a node: typed, checked, with the place of every mistake."""

from __future__ import annotations

from veneurpy.config.address import HostPort
from veneurpy.config.dump import effective, to_yaml
from veneurpy.config.listen import ListenUrl
from veneurpy.config.listen_options import ListenOptions
from veneurpy.config.loader import LoadedConfig, load_config, parse_config
from veneurpy.config.model import Config, SinkEntry
from veneurpy.config.quantity import Duration, Size
from veneurpy.config.secret import Secret
from veneurpy.config.section import Section
from veneurpy.config.sinks import SinkKinds

__all__ = [
    "Config",
    "Duration",
    "HostPort",
    "ListenOptions",
    "ListenUrl",
    "LoadedConfig",
    "Secret",
    "Section",
    "SinkEntry",
    "SinkKinds",
    "Size",
    "effective",
    "load_config",
    "parse_config",
    "to_yaml",
]
