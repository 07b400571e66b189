"""What people install: the wheel, and the source archive that it can be built from."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
VERSION = PROJECT["project"]["version"]
TOP = ("pyproject.toml", "setup.py", "README.md", "LICENSE")
NOT_SOURCE = shutil.ignore_patterns("*.so", "__pycache__")

# Stands in for the compiler: it is the packing that is tested, and compiling takes a minute.
EMPTY_OUTPUT = '#!/bin/sh\nwhile [ $# -gt 1 ]; do [ "$1" = -o ] && : > "$2"; shift; done\n'
BUILD = (
    "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"
)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with its generated C files, which must not find their way out."""
    copy = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "veneurpy", copy / "veneurpy", ignore=NOT_SOURCE)
    for name in TOP:
        shutil.copy2(ROOT / name, copy)
    return copy


def build(what: str, source: Path) -> Path:
    """Builds with the declared back end; returns the one file that it made."""
    compiler = source / "cc"
    compiler.write_text(EMPTY_OUTPUT)
    compiler.chmod(0o755)
    output = source / "output" / what
    output.mkdir(parents=True)
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", BUILD, f"build_{what}", str(output)],
        cwd=source,
        env=os.environ | {"CC": str(compiler)},
        check=True,
        capture_output=True,
        timeout=100,
    )
    (made,) = output.iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(source: Path) -> zipfile.ZipFile:
    return zipfile.ZipFile(build("wheel", source))


def package_files(*suffixes: str) -> set[str]:
    """The package's files that end so, as paths from the top of the repository."""
    files = (ROOT / "veneurpy").rglob("*")
    return {str(path.relative_to(ROOT)) for path in files if path.name.endswith(suffixes)}


def test_wheel_is_complete(wheel: zipfile.ZipFile) -> None:
    """Code, type stubs and the built-in configuration are in the wheel."""
    assert set() == package_files(".py", ".pyi", ".yaml", "py.typed") - set(wheel.namelist())


def test_wheel_has_every_extension(wheel: zipfile.ZipFile) -> None:
    """Each Cython source is in the wheel, compiled."""
    sources = {name.removesuffix(".pyx") for name in package_files(".pyx")}
    built = {name.split(".")[0] for name in wheel.namelist() if name.endswith(".so")}
    assert sources == built


def test_wheel_holds_no_generated_code(wheel: zipfile.ZipFile) -> None:
    """C files are made from the Cython sources and are no part of the product."""
    assert [] == [name for name in wheel.namelist() if name.endswith((".c", ".cpp"))]


def test_wheel_holds_nothing_else(wheel: zipfile.ZipFile) -> None:
    """Tests and benchmarks stay at home."""
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {"veneurpy", f"veneurpy-{VERSION}.dist-info"}


def test_wheel_declares_its_plugins(wheel: zipfile.ZipFile) -> None:
    """The command and the sinks are found through the entry points."""
    entry_points = ConfigParser(delimiters=("=",))
    entry_points.read_string(wheel.read(f"veneurpy-{VERSION}.dist-info/entry_points.txt").decode())
    assert dict(entry_points["console_scripts"]) == PROJECT["project"]["scripts"]
    declared = PROJECT["project"]["entry-points"]["veneurpy.sinks"]
    assert declared == dict(entry_points["veneurpy.sinks"])


def test_source_archive_can_be_built(source: Path) -> None:
    """The source archive holds whatever the build reads."""
    with tarfile.open(build("sdist", source)) as archive:
        members = archive.getnames()
    prefix = f"veneurpy-{VERSION}/"
    names = {name.removeprefix(prefix) for name in members}
    needed = package_files(".py", ".pyx", ".pxd", ".h", ".pyi", ".yaml", "py.typed") | set(TOP)
    assert set() == needed - names


def test_version_is_told_once() -> None:
    """The version in pyproject.toml is the one that `veneurpy --version` shows."""
    from veneurpy import __version__

    assert VERSION == __version__
