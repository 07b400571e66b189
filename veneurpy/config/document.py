"""Writes docs/configuration.md: `python -m veneurpy.config.document > docs/configuration.md`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from textwrap import fill
from typing import Annotated, Any, Literal, get_args, get_origin

from annotated_types import Ge, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from veneurpy.config.called import Called
from veneurpy.config.dump import effective
from veneurpy.config.explain import find_model
from veneurpy.config.filters import FilterEntry
from veneurpy.config.model import BudgetEntry, Config, SinkEntry
from veneurpy.config.quantity import format_size
from veneurpy.config.ring import IgnoredTag
from veneurpy.config.secret import Secret

GROUPS = (
    ("Receiving", "statsd_listen_addresses"),
    ("Aggregating", "interval"),
    ("The engine", "engine"),
    ("Publishing", "metric_sinks"),
    ("Forwarding to other nodes", "node_name"),
    ("Owning what other nodes forward", "grpc_address"),
    ("Watching the node", "http_address"),
    ("Surviving a crash", "state_dir"),
    ("Stopping", "shutdown"),
)
"""Headings, each with the first key below it; the keys are in the model's order."""

_ITEMS: dict[str, type[BaseModel]] = {"budgets": BudgetEntry, "filters": FilterEntry}

_INTRODUCTION = """\
# Configuration

<!-- Written by `python -m veneurpy.config.document`; change the model and not this page. -->

`veneurpy run -f FILE` reads one YAML file; `veneurpy validate FILE` checks it and starts nothing.
Without a file, the node listens on udp://127.0.0.1:8125 and prints its points
(`config/default.yaml`). `config/host.yaml` is a file with every key, to start from;
`config/global.yaml` and `config/proxy.yaml` are for the nodes that hosts forward to. A file of
Veneur loads: what differs is in [migration-from-veneur.md](migration-from-veneur.md).

A flag prevails over the environment, the environment over the file, the file over the defaults.
All mistakes are shown at once, each with its line; an unknown or repeated key is a mistake.

**Values.** A *duration* is a number with a unit (ns, us, ms, s, m, h): `10s`, `1m30s`, `1.5h`. A
*size* is in bytes, or has a unit: `64MiB`, `1GB`. A key without a value counts as not written.

**Environment.** Each key can be set by `VENEURPY_` and its name in upper case:
`VENEURPY_INTERVAL=5s`. Items of a list are separated by commas: `VENEURPY_PERCENTILES=0.5,0.99`.
`__` goes one level down, a number picks an item of a list: `VENEURPY_METRIC_SINKS__0__NAME=first`.
A whole list of sinks is written as YAML: `VENEURPY_METRIC_SINKS='[{kind: debug}]'`. A variable that
names no key is warned about. Veneur's names (`VENEUR_NUMREADERS`) are read too, with a warning.
"""


def document() -> str:
    """The page, as Markdown."""
    defaults = effective(Config())
    parts = [_INTRODUCTION]
    headings = {first: title for title, first in GROUPS}
    for key, field in Config.model_fields.items():
        if key in headings:
            parts.append(f"\n## {headings[key]}\n")
        parts.append(_entry(f"### `{key}`", field, defaults[key]))
        if key == "metric_sinks":
            parts.append(
                "\nEach item has these keys; the options of each kind are in "
                "[sinks.md](sinks.md).\n"
            )
            parts.extend(_item_keys(SinkEntry))
        if key in _ITEMS:
            parts.append("\nEach item has these keys.\n")
            parts.extend(_item_keys(_ITEMS[key]))
        elif key != "metric_sinks" and (section := find_model(field.annotation)):
            parts.append(_section(key, section))
    return "".join(parts)


def _item_keys(model: type[BaseModel]) -> Iterator[str]:
    for key, field in model.model_fields.items():
        default: Any = None if field.is_required() else field.get_default(call_default_factory=True)
        default = default.model_dump() if isinstance(default, BaseModel) else default
        yield _entry(f"#### `{key}`", field, default)


def _section(path: str, model: type[BaseModel]) -> str:
    """The keys of a mapping, each with its whole path, and those of mappings in it."""
    defaults = model().model_dump(mode="json")
    parts = []
    for key, field in model.model_fields.items():
        parts.append(_entry(f"#### `{path}.{key}`", field, defaults[key]))
        section = find_model(field.annotation)
        if section is not None and get_origin(field.annotation) is not tuple:
            parts.append(_section(f"{path}.{key}", section))
    return "".join(parts)


def options(model: type[BaseModel], *, level: str) -> str:
    """An entry for each key of a model, as Markdown below headings of this level (`####`)."""
    defaults = model.model_construct().model_dump(mode="json")
    return "".join(
        _entry(f"{level} `{key}`", field, defaults.get(key))
        for key, field in model.model_fields.items()
    )


def _entry(heading: str, field: FieldInfo, default: Any) -> str:
    kind = _name(field.metadata) or _kind(field.annotation)
    words = [kind, *_range(field, format_size if kind == "size" else str)]
    words.append("required" if field.is_required() else f"default {_shown(default)}")
    text = " ".join((field.description or "").split())
    paragraph = fill(f"*{', '.join(words)}*. {text}", 100, break_on_hyphens=False)
    return f"\n{heading}\n\n{paragraph}\n"


def _name(metadata: Iterable[Any]) -> str:
    return next((item.name for item in metadata if isinstance(item, Called)), "")


def _kind(annotation: Any) -> str:
    """What people call a type."""
    arguments = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _name(arguments[1:]) or _kind(arguments[0])
    if get_origin(annotation) is tuple:
        return f"list of {_kind(arguments[0])}s" if arguments[0] is not Any else "list"
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{argument}`" for argument in arguments)
    if type(None) in arguments:
        return _kind(next(each for each in arguments if each is not type(None)))
    if get_origin(annotation) is dict:
        return f"mapping of {_kind(arguments[0])} to {_kind(arguments[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        names_of = {
            SinkEntry: "sink",
            BudgetEntry: "budget",
            FilterEntry: "filter",
            IgnoredTag: "tag",
        }
        return names_of.get(annotation, "mapping")
    names: dict[Any, str] = {bool: "true or false", int: "whole number", float: "number"}
    names |= {str: "text", Secret: "secret text"}
    return names[annotation]


def _range(field: FieldInfo, shown: Callable[[Any], str]) -> Iterator[str]:
    low = next((item.ge for item in field.metadata if isinstance(item, Ge)), None)
    high = next((item.le for item in field.metadata if isinstance(item, Le)), None)
    if low is not None and high is not None:
        yield f"{shown(low)} to {shown(high)}"
    elif low is not None:
        yield f"at least {shown(low)}"


def _shown(default: Any) -> str:
    if default in ("", [], (), {}, None):
        return "empty"
    if isinstance(default, dict):
        return "as below"
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, float):
        return f"`{default:g}`"
    if isinstance(default, list):
        return f"`[{', '.join(str(item) for item in default)}]`"
    return f"`{default}`"


if __name__ == "__main__":
    print(document(), end="")
