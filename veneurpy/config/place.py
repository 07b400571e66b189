"""Where a value was written: a line of a file, an environment variable, a flag."""

from __future__ import annotations

import re
from dataclasses import InitVar, dataclass, field

Path = tuple[str | int, ...]
"""The keys and indices that lead to a value."""

LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What YAML counts as the end of a line."""

_SECRET = re.compile(r"key|secret|token|passw|credential|dsn|certificate|authorization", re.I)
_SECRET_KEY = rf"[\w.-]*(?:{_SECRET.pattern})[\w.-]*[\"']?\s*:\s*"
_SECRET_LINE = re.compile(rf"^(\s*(?:- *)?[\"']?{_SECRET_KEY})\S.*", re.I)
_SECRET_ITEM = re.compile(rf"({_SECRET_KEY})(?:\"[^\"]*\"|'[^']*'|[^\s,}}][^,}}]*)", re.I)


def is_secret(key: str | int) -> bool:
    """Whether a value under this key is better not repeated in a message."""
    return isinstance(key, str) and _SECRET.search(key) is not None


def masked(line: str) -> str:
    """A line of a file without what looks like the value of a secret."""
    return _SECRET_ITEM.sub(r"\1***", _SECRET_LINE.sub(r"\1***", line))


def dotted(path: Path) -> str:
    """The path as people write it: `metric_sinks[0].config.flush_file`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


@dataclass(frozen=True, slots=True)
class Place:
    """One place, ready to be shown."""

    label: str
    """`host.yaml:3:11`, or the name of the variable or flag."""
    excerpt: str = ""
    """The line and a caret below it; empty outside of files."""
    order: tuple[int, int] = (1 << 30, 0)
    """Line and column; other places come last."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of one line; line and column count from 1."""

    line: int
    column: int
    width: int = 1


@dataclass(slots=True)
class Places:
    """Finds the place of a key or value by its path."""

    source: str
    text: InitVar[str]
    lines: list[str] = field(init=False)
    keys: dict[Path, Mark] = field(default_factory=dict)
    values: dict[Path, Mark] = field(default_factory=dict)
    named: dict[Path, str] = field(default_factory=dict)
    """What was set from outside of the file: path and the name of the variable or flag."""

    def __post_init__(self, text: str) -> None:
        self.lines = LINE_END.split(text)

    def of(self, path: Path, *, key: bool = False) -> Place:
        """The place of the value (or the key) at the path, or of the nearest thing around it."""
        if not (path in self.values or path in self.named):
            # A mapping that variables made of pieces is where its first piece is.
            for piece in (named for named in self.named if named[: len(path)] == path):
                return Place(self.named[piece])
        for end in range(len(path), -1, -1):
            if (name := self.named.get(path[:end])) is not None:
                return Place(name)
            marks = (self.keys, self.values) if key else (self.values, self.keys)
            for found in marks:
                if mark := found.get(path[:end]):
                    return self.at(mark)
        return self.whole

    @property
    def whole(self) -> Place:
        """The file as such."""
        return Place(self.source, order=(0, 0))

    def at(self, mark: Mark) -> Place:
        """The place of a mark."""
        line = self.lines[mark.line - 1] if mark.line <= len(self.lines) else ""
        text, before = masked(line), masked(line[: mark.column - 1])
        # A caret below a tab stands where the tab puts it.
        lead = "".join("\t" if character == "\t" else " " for character in before)
        carets = "^" * max(1, min(mark.width, len(text) - len(before)))
        gutter = f"{mark.line:>5} | "
        excerpt = f"{gutter}{text}\n{' ' * (len(gutter) - 2)}| {lead}{carets}"
        label = f"{self.source}:{mark.line}:{mark.column}"
        return Place(label, excerpt, (mark.line, mark.column))

    def name(self, path: Path, name: str) -> None:
        """Says that the value at the path now comes from a variable or flag."""
        for marks in (self.keys, self.values):
            for known in [p for p in marks if p[: len(path)] == path]:
                del marks[known]
        self.named[path] = name
