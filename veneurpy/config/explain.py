"""Pydantic's errors as mistakes with a place, in our words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from veneurpy.config.place import Path, dotted, is_secret
from veneurpy.config.quantity import format_size
from veneurpy.config.report import Report
from veneurpy.config.veneur import top_keys
from veneurpy.config.wrong import Wrong, shown

_EXPECTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_too_short": "a text that is not empty",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "tuple_type": "a list (`- item` lines, or [a, b])",
    "list_type": "a list (`- item` lines, or [a, b])",
    "dict_type": "a mapping (`key: value` lines)",
    "model_type": "a mapping (`key: value` lines)",
    "model_attributes_type": "a mapping (`key: value` lines)",
}
_BOUNDS = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, or an empty text."""
    plain = {name.lower().replace("-", "_"): name for name in known}
    close = get_close_matches(word.lower().replace("-", "_"), plain, n=1)
    return plain[close[0]] if close else ""


def explain(error: ValidationError, model: type[BaseModel], at: Path, report: Report) -> None:
    """Reports every error of validating `model` on the data at the path `at`."""
    details = error.errors(include_url=False)
    meant = {
        (*detail["loc"][:-1], _meant(detail, model, at))
        for detail in details
        if detail["type"] == "extra_forbidden"
    }
    for detail in details:
        if detail["type"] != "missing" or detail["loc"] not in meant:
            _explain(detail, model, at, report)


def _explain(detail: ErrorDetails, model: type[BaseModel], at: Path, report: Report) -> None:
    path = (*at, *detail["loc"])
    inside = f" in {dotted(path[:-1])}" if path[:-1] else ""
    match detail["type"]:
        case "extra_forbidden":
            place = report.places.of(path, key=True)
            what = f'unknown key "{path[-1]}"{inside}'
            report.mistake(place, what, _meant(detail, model, at))
        case "missing":
            place = report.places.of(path[:-1])
            report.mistake(place, f'the key "{path[-1]}" is missing{inside}')
        case _:
            what, suggestion = _what(detail, secret=is_secret(path[-1] if path else ""))
            report.mistake(report.places.of(path), f"{dotted(path)}: {what}", suggestion)


def _meant(detail: ErrorDetails, model: type[BaseModel], at: Path) -> str:
    """The key that an unknown one was probably meant to be."""
    outer, key = detail["loc"][:-1], detail["loc"][-1]
    return nearest(str(key), _keys_at(model, outer) if (*at, *outer) else top_keys())


def _what(detail: ErrorDetails, *, secret: bool) -> tuple[str, str]:
    kind, context = detail["type"], detail.get("ctx", {})
    found = "another value" if secret else shown(detail["input"])
    if kind == "value_error":
        wrong = context["error"]
        return str(wrong), wrong.suggestion if isinstance(wrong, Wrong) else ""
    if kind in _EXPECTED:
        suggestion = "" if secret else _quoted(kind, detail["input"])
        return f"expected {_EXPECTED[kind]}, found {found}", suggestion
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        is_size = isinstance(detail["input"], str) and isinstance(context[key], int)
        bound = format_size(context[key]) if is_size else context[key]
        return f"expected {words} {bound}, found {found}", ""
    if kind in ("literal_error", "enum"):
        return _choice(context, detail["input"], found)
    message = detail["msg"]
    return f"{message[:1].lower()}{message[1:]}, found {found}", ""


def _choice(context: Mapping[str, Any], value: Any, found: str) -> tuple[str, str]:
    names = re.findall(r"'([^']*)'", str(context["expected"]))
    expected = f"one of {', '.join(names)}" if len(names) > 1 else "".join(names)
    return f"expected {expected}, found {found}", nearest(str(value), names)


def _quoted(kind: str, value: Any) -> str:
    """A number or `yes` where a text is expected was meant as a text."""
    if kind == "string_type" and isinstance(value, (int, float)):
        text = ("true" if value else "false") if isinstance(value, bool) else value
        return f'"{text}" (in quotes)'
    if kind.startswith("int") and isinstance(value, str) and value.isdecimal():
        return f"{value} (without quotes)"
    return ""


def _keys_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> Iterable[str]:
    """The keys of the section that `loc` leads to, through lists and fields."""
    for part in loc:
        if isinstance(part, int):
            continue
        section = section_of(model, part)
        if section is None:
            return ()
        model = section
    return model.model_fields


def section_of(model: type[BaseModel], key: str) -> type[BaseModel] | None:
    """The model of the mapping, or of the items of the list, under a key."""
    field = model.model_fields.get(key)
    return find_model(field.annotation) if field else None


def find_model(annotation: Any) -> type[BaseModel] | None:
    """The first model inside of an annotation: of `tuple[SinkEntry, ...]` it is SinkEntry."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inner = (find_model(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in inner if model is not None), None)
