"""Which part may know which, read from every import in the source, inside functions too."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "veneurpy"

# The longest matching prefix tells a module's layer. A module may import from lower layers and from
# its own part; of two parts on one layer neither may import the other, but on the layers of FREE.
LAYERS = {
    "veneurpy.engine": 0,
    "veneurpy.accepting": 1,
    "veneurpy.accounts": 1,
    "veneurpy.certificates": 1,
    "veneurpy.descriptors": 1,
    "veneurpy.dogstatsd": 1,
    "veneurpy.errors": 1,
    "veneurpy.forward.answer": 1,
    "veneurpy.forward.batch": 1,
    "veneurpy.forward.epochs": 1,
    "veneurpy.events": 1,
    "veneurpy.ledger": 1,
    "veneurpy.model": 1,
    "veneurpy.ports": 1,
    "veneurpy.rules": 1,
    "veneurpy.capture": 2,
    "veneurpy.config": 2,
    "veneurpy.forward.messages": 2,
    "veneurpy.registry": 2,
    "veneurpy.rpc": 2,
    "veneurpy.spool": 2,
    "veneurpy.systemd": 2,
    "veneurpy.telemetry": 2,
    "veneurpy.discovery": 3,
    "veneurpy.forward": 3,
    "veneurpy.listeners": 3,
    "veneurpy.sinks": 3,
    "veneurpy.console": 4,
    "veneurpy.flush": 4,
    "veneurpy.server": 5,
    "veneurpy.cli": 6,
    "veneurpy.__main__": 7,
}
FREE = {1, 2}
EDGES = {"veneurpy.listeners", "veneurpy.sinks", "veneurpy.console"}
ANYWHERE = {"veneurpy"}  # the package itself: its version
FOR_TESTS_AND_PLUGINS = "veneurpy.testing"  # imports what it likes, and nothing imports it


class Import(NamedTuple):
    """One module imported by another, at run time or for the types only."""

    importer: str
    imported: str
    at_run_time: bool


def imports_in(module: str, tree: ast.AST, is_package: bool) -> Iterator[Import]:
    """Everything that a module imports, wherever in it."""
    for_types = {
        id(below)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for below in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = list(names_from(module, node, is_package))
        else:
            continue
        yield from (Import(module, name, id(node) not in for_types) for name in names)


def names_from(module: str, node: ast.ImportFrom, is_package: bool) -> Iterator[str]:
    """The modules of a `from … import …`: `from veneurpy import errors` is veneurpy.errors."""
    base = node.module or ""
    if node.level:
        parts = module.split(".")
        parents = parts[: len(parts) - node.level + is_package]
        base = ".".join([*parents, base] if base else parents)
    for alias in node.names:
        full = f"{base}.{alias.name}"
        yield full if full in MODULES else base


def modules() -> dict[str, Path]:
    """All modules of the package by dotted name, native ones by their stub or source."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py*")):
        if path.suffix in (".py", ".pyx"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


MODULES = modules()
SOURCES = {name: path for name, path in MODULES.items() if path.suffix == ".py"}
IMPORTS = [
    found
    for name, path in SOURCES.items()
    for found in imports_in(name, ast.parse(path.read_text()), path.name == "__init__.py")
]
NATIVE = sorted(PACKAGE.rglob("*.pyx")) + sorted(PACKAGE.rglob("*.pxd"))
OWN_IMPORTS = [found for found in IMPORTS if found.imported.split(".")[0] == "veneurpy"]


def part_of(module: str) -> str | None:
    """The key of LAYERS that a module belongs to."""
    prefixes = [part for part in LAYERS if module == part or module.startswith(f"{part}.")]
    return max(prefixes, key=len, default=None)


def breach(found: Import) -> str | None:
    """What is wrong with an import, if anything."""
    if found.importer == FOR_TESTS_AND_PLUGINS or found.imported in ANYWHERE:
        return None
    if found.imported == FOR_TESTS_AND_PLUGINS:
        return "testing.py is for tests"
    source, target = part_of(found.importer), part_of(found.imported)
    if source is None or target is None or source == target:
        return None
    if LAYERS[target] > LAYERS[source]:
        return f"layer {LAYERS[source]} imports layer {LAYERS[target]}"
    if LAYERS[target] == LAYERS[source] and LAYERS[source] not in FREE:
        return f"{source} and {target} must not know each other"
    return None


@pytest.mark.parametrize("module", sorted(set(MODULES) - ANYWHERE - {FOR_TESTS_AND_PLUGINS}))
def test_every_module_has_a_layer(module: str) -> None:
    """A new module is given its place in LAYERS before anything is built on it."""
    assert part_of(module) is not None


@pytest.mark.parametrize("module", sorted(SOURCES))
def test_imports_go_down(module: str) -> None:
    """A module imports lower layers and its own part only."""
    wrong = {found: breach(found) for found in OWN_IMPORTS if found.importer == module}
    assert [] == [f"{found.imported}: {why}" for found, why in wrong.items() if why]


@pytest.mark.parametrize("kind", ["sinks", "listeners"])
def test_plugins_do_not_know_one_another(kind: str) -> None:
    """No sink imports another, and no listener: a leading underscore marks what they may share."""
    prefix = f"veneurpy.{kind}."
    wrong = [
        found
        for found in OWN_IMPORTS
        if found.importer.startswith(prefix)
        and found.imported.startswith(prefix)
        and not found.imported.removeprefix(prefix).startswith("_")
    ]
    assert [] == wrong


def test_only_the_server_knows_every_edge() -> None:
    """The parts are put together in server.py and nowhere else."""
    composers = {
        importer
        for importer in SOURCES
        if importer != FOR_TESTS_AND_PLUGINS
        and EDGES
        <= {part_of(found.imported) for found in OWN_IMPORTS if found.importer == importer}
    }
    assert composers <= {"veneurpy.server"}


def test_the_engine_stands_alone() -> None:
    """The engine uses the standard library and its sketches' package: no config, no logging."""
    outside = {
        found.imported.split(".")[0]
        for found in IMPORTS
        if part_of(found.importer) == "veneurpy.engine"
    }
    assert outside <= sys.stdlib_module_names - {"logging"} | {"veneurpy", "tdigest"}


@pytest.mark.parametrize("path", NATIVE, ids=lambda path: path.name)
def test_the_native_engine_stands_alone(path: Path) -> None:
    """Cython code imports and cimports nothing of veneurpy but the engine."""
    found = re.findall(r"^\s*(?:from|c?import)\s+(veneurpy[\w.]*)", path.read_text(), re.MULTILINE)
    assert [] == [name for name in found if part_of(name) != "veneurpy.engine"]


def test_pydantic_stays_at_the_configuration() -> None:
    """Pydantic is known to config/ and to the Config of a sink or listener."""
    users = {
        found.importer
        for found in IMPORTS
        if found.imported.split(".")[0] in ("pydantic", "pydantic_core") and found.at_run_time
    }
    homes = ("veneurpy.config", "veneurpy.sinks", "veneurpy.listeners", FOR_TESTS_AND_PLUGINS)
    assert [] == [user for user in users if not user.startswith(homes)]


@pytest.mark.parametrize(
    ("importer", "imported", "is_breach"),
    [
        pytest.param("veneurpy.sinks.a", "veneurpy.ports", False, id="down"),
        pytest.param("veneurpy.engine.types", "veneurpy.errors", True, id="up"),
        pytest.param("veneurpy.sinks.a", "veneurpy.listeners.udp", True, id="sink to listener"),
        pytest.param("veneurpy.flush.lanes", "veneurpy.console.http", True, id="flush to console"),
        pytest.param("veneurpy.registry", "veneurpy.config.model", False, id="within layer 2"),
        pytest.param("veneurpy.ledger", "veneurpy.testing", True, id="testing"),
    ],
)
def test_a_breach_is_seen(importer: str, imported: str, is_breach: bool) -> None:
    """The rules themselves tell a breach from what is allowed."""
    assert is_breach == (breach(Import(importer, imported, True)) is not None)


def test_imports_are_found_wherever_they_stand() -> None:
    """An import inside a function, below TYPE_CHECKING or relative is an import."""
    text = (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    import pydantic\n"
        "def f():\n    from veneurpy import errors\n"
        "from . import ports\n"
    )
    found = {(i.imported, i.at_run_time) for i in imports_in("veneurpy.x", ast.parse(text), False)}
    expected = {
        ("typing", True),
        ("pydantic", False),
        ("veneurpy.errors", True),
        ("veneurpy.ports", True),
    }
    assert expected == found
