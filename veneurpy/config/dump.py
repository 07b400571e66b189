"""The configuration as it is in effect, to be shown: durations as texts, secrets as `***`."""

from __future__ import annotations

from typing import Any

import yaml

from veneurpy.config.model import Config


def effective(config: Config) -> dict[str, Any]:
    """Every key with the value in effect, made of what JSON and YAML have."""
    return config.model_dump(mode="json")


def to_yaml(config: Config) -> str:
    """The same as YAML that loads again, but for secrets."""
    return yaml.safe_dump(effective(config), sort_keys=False, allow_unicode=True)
