"""YAML text to plain data and the place of every key and value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import ReaderError

from veneurpy.config.place import LINE_END, Mark, Path, Place, Places
from veneurpy.config.report import Report

_MERGE = "tag:yaml.org,2002:merge"
_COMMENT = re.compile(r"(^|\s)#.*")
_SYNTAX_HELP = {
    "cannot start any token": "indent with spaces and not with tabs; "
    "a text that starts with this character needs quotes",
    "mapping values are not allowed here": "a text with `: ` in it needs quotes",
}


_NOT_AS_TAGGED = (IndexError, KeyError, AttributeError)
"""What PyYAML raises for a value that is not what its tag says, such as `!!int` of nothing."""


class _Loader(yaml.SafeLoader):
    """Reads `2024-01-01` as the text that it is in a configuration."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.yaml_implicit_resolvers = {
            first: [pair for pair in pairs if pair[0] != "tag:yaml.org,2002:timestamp"]
            for first, pairs in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }


def parse(text: str, report: Report) -> dict[str, Any]:
    """Parses YAML into plain data, and notes in the report where everything is.

    Raises ConfigError where it cannot read on. It reads with PyYAML's own scanner and not with
    libyaml, whose messages and columns differ.
    """
    _refuse_templates(report)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        builder = _Builder(loader, report)
        data = builder.build(node, ()) if node is not None else None
    except yaml.MarkedYAMLError as error:
        report.fail(*_syntax(error, report.places))
    except ReaderError as error:
        place = report.places.at(_mark_at(text, error.position))
        report.fail(place, f"YAML does not allow the character U+{ord(text[error.position]):04X}")
    except RecursionError:
        report.fail(report.places.whole, "nested too deeply")
    if data is None:
        report.fail(report.places.whole, "the file is empty; leave it out to run with the defaults")
    if not isinstance(data, dict):
        report.fail(report.places.of(()), "expected keys and values (`key: value`)")
    return data


def _refuse_templates(report: Report) -> None:
    for number, line in enumerate(report.places.lines, start=1):
        column = _COMMENT.sub("", line).find("{{")
        if column >= 0:
            report.mistake(
                report.places.at(Mark(number, column + 1, 2)),
                "templates ({{ }}) are not supported: write the value itself, "
                "or set the key by a variable VENEURPY_<KEY>",
            )
    report.raise_mistakes()


def _syntax(error: yaml.MarkedYAMLError, places: Places) -> tuple[Place, str]:
    mark = error.problem_mark or error.context_mark
    place = places.at(Mark(mark.line + 1, mark.column + 1)) if mark else places.whole
    problem = error.problem or error.context or "unreadable"
    helps = [help_ for part, help_ in _SYNTAX_HELP.items() if part in problem]
    return place, "; ".join([f"not valid YAML: {problem}", *helps])


def _mark_at(text: str, position: int) -> Mark:
    before = LINE_END.split(text[:position])
    return Mark(len(before), len(before[-1]) + 1)


def parse_value(text: str) -> Any:
    """One value written as in YAML; what is no YAML is the text itself."""
    try:
        return _Loader(text).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError, *_NOT_AS_TAGGED):
        return text


class _Builder:
    """Turns nodes into dicts, lists and scalars and notes where they were."""

    def __init__(self, loader: yaml.SafeLoader, report: Report) -> None:
        self._loader = loader
        self._report = report
        self._open: list[Node] = []

    def build(self, node: Node, path: Path) -> Any:
        self._report.places.values[path] = _mark(node)
        if any(node is outer for outer in self._open):
            self._report.fail(
                self._report.places.of(path), "an alias (*) cannot be inside its own anchor"
            )
        self._open.append(node)
        try:
            return self._build(node, path)
        finally:
            self._open.pop()

    def _build(self, node: Node, path: Path) -> Any:
        if isinstance(node, MappingNode):
            return {key: self.build(value, (*path, key)) for key, value in self._items(node, path)}
        if isinstance(node, SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        try:
            return self._loader.construct_object(node)
        except ValueError as error:  # such as a number with more digits than Python converts
            self._report.fail(self._report.places.of(path), f"unreadable value: {error}")
        except _NOT_AS_TAGGED:
            kind = node.tag.rpartition(":")[2]
            place = self._report.places.of(path)
            self._report.fail(place, f"this is no {kind}: leave `!!{kind}` out")

    def _items(self, node: MappingNode, path: Path) -> Iterator[tuple[str, Node]]:
        self._check_keys(node, path)
        self._loader.flatten_mapping(node)
        for key_node, value_node in node.value:
            key = str(key_node.value)
            self._report.places.keys[(*path, key)] = _mark(key_node)
            yield key, value_node

    def _check_keys(self, node: MappingNode, path: Path) -> None:
        """Reports keys that are no text and keys that were there already, before merging (<<)."""
        first: dict[str, Mark] = {}
        for key_node, _ in node.value:
            mark = _mark(key_node)
            if not isinstance(key_node, ScalarNode):
                self._report.fail(
                    self._report.places.at(mark), "expected a key, found a list or mapping"
                )
            if key_node.tag == _MERGE:
                continue
            key = str(key_node.value)
            if key in first:
                what = f'the key "{key}" is already in line {first[key].line}'
                self._report.mistake(self._report.places.at(mark), what)
            first.setdefault(key, mark)


def _mark(node: Node) -> Mark:
    start, end = node.start_mark, node.end_mark
    width = end.column - start.column if end.line == start.line else 1
    if isinstance(node, ScalarNode) and end.line == start.line:
        return Mark(start.line + 1, start.column + 1, max(1, width))
    return Mark(start.line + 1, start.column + 1)
