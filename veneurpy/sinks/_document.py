"""Writes options of sinks into a page: `python -m veneurpy.sinks._document docs/sinks.md`."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from veneurpy.config.document import options
from veneurpy.registry import sink_class

_PLACE = re.compile(r"(<!-- options: (\w+) .*?-->\n).*?(<!-- end of options -->)", re.DOTALL)


def with_options(page: str) -> str:
    """The page with what stands between its marks written anew from the sinks' `Config`."""
    return _PLACE.sub(lambda match: f"{match[1]}{_options_of(match[2])}{match[3]}", page)


def documented(page: str) -> list[str]:
    """The kinds whose options a page shows."""
    return [match[2] for match in _PLACE.finditer(page)]


def _options_of(kind: str) -> str:
    return f"{options(sink_class(kind).Config, level='####')}\n"


if __name__ == "__main__":
    path = Path(sys.argv[1])
    path.write_text(with_options(path.read_text()))
