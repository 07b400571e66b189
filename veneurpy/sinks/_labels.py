"""Names and tags as Prometheus allows them.

The rules: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

import re

_BAD_IN_NAME = re.compile(r"[^a-zA-Z0-9_:]")
_BAD_IN_LABEL = re.compile(r"[^a-zA-Z0-9_]")


def metric_name(name: str) -> str:
    """The name with every character that Prometheus refuses replaced by "_"."""
    return _not_a_digit_first(_BAD_IN_NAME.sub("_", name))


def label_name(key: str) -> str:
    """A valid label name. Those that begin with "__" are Prometheus' own: one "_" is left."""
    clean = _BAD_IN_LABEL.sub("_", key)
    if clean.startswith("__"):
        clean = f"_{clean.lstrip('_')}"
    return _not_a_digit_first(clean)


def label_text(tags: str, host: str = "") -> str:
    """Tags joined by "," as `{key="value",…}`, sorted by key; "" if there is none.

    A tag without a value is "true". One with an empty value is left out: to Prometheus that is the
    same. Values of equal keys are sorted and joined by ",". `host` is a label unless a tag is.
    """
    labels: dict[str, set[str]] = {}
    for tag in tags.split(",") if tags else ():
        key, colon, value = tag.partition(":")
        if value or not colon:
            labels.setdefault(label_name(key), set()).add(value or "true")
    if host:
        labels.setdefault("host", {host})
    pairs = [f'{key}="{_escaped(",".join(sorted(labels[key])))}"' for key in sorted(labels)]
    return f"{{{','.join(pairs)}}}" if pairs else ""


def help_text(text: str) -> str:
    """A text, escaped as HELP lines want it."""
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escaped(value: str) -> str:
    return help_text(value).replace('"', r"\"")


def _not_a_digit_first(name: str) -> str:
    return f"_{name}" if not name or name[0].isdigit() else name
