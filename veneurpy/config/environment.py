"""Settings from environment variables and from flags, laid over the file's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from veneurpy.config.explain import find_model, nearest
from veneurpy.config.model import Config
from veneurpy.config.place import Path, Place, dotted
from veneurpy.config.report import Report
from veneurpy.config.text import parse_value
from veneurpy.config.veneur import VENEUR_KEYS, top_keys

PREFIX = "VENEURPY_"
VENEUR_PREFIX = "VENEUR_"
_NOT_SETTINGS = re.compile(
    # What Kubernetes sets for a service of our name, and what the other programs read.
    r"VENEUR(PY)?_(SERVICE_(HOST|PORT)(_.*)?|PORT(_\d+_(TCP|UDP)(_.*)?)?|(EMIT|PROXY)_.*)"
)
_NESTED_VENEUR_KEYS = (
    ("features", "diagnostics_metrics_enabled"),
    ("features", "enable_metric_sink_routing"),
    ("http", "config"),
    *(("tls", key) for key in ("ca_file", "cert_file", "key_file", "server_name")),
    *(("veneur_metrics_scopes", key) for key in ("counter", "gauge", "histogram", "set", "status")),
)

OptionsOf = Callable[[str], type[BaseModel] | None]
"""The options of a sink of some kind, None for an unknown one."""


def apply_environment(
    data: dict[str, Any],
    environ: Mapping[str, str],
    options_of: OptionsOf,
    report: Report,
) -> None:
    """Lays `VENEUR_*` and, above it, `VENEURPY_*` over the data."""
    for name, path in _veneur_variables(environ, report):
        _set(data, path, environ[name], name, options_of, report)
        key = PREFIX + "__".join(str(part) for part in path).upper()
        report.warning(Place(name), f"read as Veneur does; the name here is {key}")
    # A whole before its parts, a sink's kind before its options.
    for name in sorted(environ, key=lambda name: (name.count("__"), name)):
        if not name.startswith(PREFIX) or _NOT_SETTINGS.fullmatch(name):
            continue
        path = _path(name.removeprefix(PREFIX))
        if str(path[0]) in top_keys():
            _set(data, path, environ[name], name, options_of, report)
        else:
            close = nearest(str(path[0]), top_keys())
            hint = f", did you mean {PREFIX}{close.upper()}?" if close else ""
            report.warning(Place(name), f"no such setting{hint}")


def apply_overrides(
    data: dict[str, Any],
    overrides: Mapping[str, Any],
    options_of: OptionsOf,
    report: Report,
) -> None:
    """Lays flags over the data: a key (dots for nesting) and a value, None for a flag not given.

    A text is read as that of a variable is.
    """
    for key, value in overrides.items():
        if value is not None:
            path = _path(key.replace(".", "__"))
            _set(data, path, value, f"--{key.replace('_', '-')}", options_of, report)


def _path(text: str) -> Path:
    parts = text.lower().split("__")
    return tuple(int(part) if re.fullmatch(r"\d{1,5}", part) else part for part in parts)


def _veneur_variables(environ: Mapping[str, str], report: Report) -> Iterator[tuple[str, Path]]:
    """The variables of Veneur: Go's field name, so without underscores."""
    paths: list[Path] = [(key,) for key in sorted(VENEUR_KEYS)]
    known = {
        VENEUR_PREFIX + "_".join(str(part).replace("_", "") for part in path).upper(): path
        for path in [*paths, *_NESTED_VENEUR_KEYS]
    }
    for name in sorted(environ):
        if not name.startswith(VENEUR_PREFIX) or _NOT_SETTINGS.fullmatch(name):
            continue
        if name in known:
            yield name, known[name]
        else:
            close = nearest(name, known)
            report.warning(
                Place(name), f"no setting of Veneur{f', did you mean {close}?' if close else ''}"
            )


def _set(
    data: dict[str, Any],
    path: Path,
    value: Any,
    name: str,
    options_of: OptionsOf,
    report: Report,
) -> None:
    """Sets one value and says where it came from."""
    if isinstance(value, str):
        value = parse_text(value, _annotation(data, path, options_of))
    if _put(data, path, value):
        report.places.name(path, name)
    else:
        report.mistake(Place(name), f"there is no such place in the configuration: {dotted(path)}")


def _put(target: Any, path: Path, value: Any) -> bool:
    """Writes into nested dicts and lists; a list grows by one item at most. False if it cannot."""
    part, rest = path[0], path[1:]
    if isinstance(target, list) and isinstance(part, int) and part <= len(target):
        if part == len(target):
            target.append(None)
        existing = target[part]
    elif isinstance(target, dict) and isinstance(part, str):
        existing = target.get(part)
    else:
        return False
    if rest and existing is None:
        existing = [] if isinstance(rest[0], int) else {}
    if rest and not _put(existing, rest, value):
        return False
    target[part] = existing if rest else value
    return True


def _annotation(data: Mapping[str, Any], path: Path, options_of: OptionsOf) -> Any:
    """The type of the value at the path, None where it cannot be told."""
    annotation: Any = Config
    for index, part in enumerate(path):
        if isinstance(part, int):
            arguments = get_args(_bare(annotation))
            annotation = arguments[0] if arguments else None
            continue
        model = find_model(annotation)
        if model is BaseModel:
            model = _options_at(data, path[: index - 1], options_of)
        field = model.model_fields.get(part) if model else None
        annotation = field.annotation if field else None
    return annotation


def _options_at(
    data: Mapping[str, Any], path: Path, options_of: OptionsOf
) -> type[BaseModel] | None:
    """The class of the options of the sink at the path, by the kind that it has so far."""
    entry: Any = data
    for part in path:
        try:
            entry = entry[part]
        except (KeyError, IndexError, TypeError):
            return None
    kind = entry.get("kind") if isinstance(entry, dict) else None
    return options_of(kind) if isinstance(kind, str) else None


def parse_text(text: str, annotation: Any) -> Any:
    """Reads a text as a value of the type: lists by commas, numbers as YAML, texts as they are."""
    annotation = _bare(annotation)
    origin = get_origin(annotation)
    if origin in (list, tuple):
        item = get_args(annotation)[0]
        if find_model(item) is None:
            parts = (part.strip() for part in text.split(","))
            return [parse_text(part, item) for part in parts if part]
    is_text = origin is Literal or (
        origin is None and annotation not in (None, int, float, bool) and not find_model(annotation)
    )
    if is_text:
        return text
    return parse_value(text)


def _bare(annotation: Any) -> Any:
    """Without `Annotated` and without `| None`."""
    while get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (Union, UnionType):
        inner = [argument for argument in get_args(annotation) if argument is not type(None)]
        return _bare(inner[0]) if len(inner) == 1 else None
    return annotation
