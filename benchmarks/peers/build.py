"""Builds the peers that are written in Go into benchmarks/bin.

    python -m benchmarks.peers.build [NAME ...]

Versions are fixed, so that a figure of today is one of tomorrow. Needs Go and its module proxy.
"""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

import click

from benchmarks.build import BINARIES


@dataclass(frozen=True, slots=True)
class GoProgram:
    """A main package of a Go module."""

    name: str
    module: str
    version: str
    package: str
    """Below the module; empty where it is the module itself."""
    replaced: tuple[str, ...] = ()
    """`module => module version`, as go.mod of the program itself has it: `go install` refuses
    those."""

    @property
    def path(self) -> str:
        """What is imported."""
        return f"{self.module}/{self.package}" if self.package else self.module


PROGRAMS = (
    GoProgram(
        "veneur",
        "github.com/stripe/veneur/v14",
        "v14.2.0",
        "cmd/veneur",
        (
            "github.com/hashicorp/consul => github.com/hashicorp/consul v1.5.1",
            "github.com/miekg/dns => github.com/miekg/dns v1.1.25",
        ),
    ),
    GoProgram("statsd_exporter", "github.com/prometheus/statsd_exporter", "v0.31.0", ""),
)


def go_mod(program: GoProgram) -> str:
    """An empty module that stands on the program's."""
    replaced = "".join(f"replace {line}\n" for line in program.replaced)
    return f"module peer\n\nrequire {program.module} {program.version}\n\n{replaced}"


def build(program: GoProgram) -> None:
    """Builds one; CalledProcessError when Go or its proxy refuses."""
    folder = BINARIES / "modules" / program.name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "go.mod").write_text(go_mod(program))
    for command in (
        ["go", "get", f"{program.path}@{program.version}"],
        ["go", "build", "-o", str(BINARIES / program.name), program.path],
    ):
        subprocess.run(command, cwd=folder, check=True)


@click.command()
@click.argument("names", nargs=-1, type=click.Choice([program.name for program in PROGRAMS]))
def main(names: tuple[str, ...]) -> None:
    """Builds the NAMES, or all, that are missing. Exits 1 when one could not be built."""
    if shutil.which("go") is None:
        raise click.ClickException("Go is needed (Debian: apt install golang)")
    failed = []
    for program in PROGRAMS:
        asked = not names or program.name in names
        if asked and not (BINARIES / program.name).exists():
            click.echo(f"{program.path} {program.version}")
            try:
                build(program)
            except subprocess.CalledProcessError:
                failed.append(program.name)
    if failed:
        raise click.ClickException(f"not built: {', '.join(failed)}")


if __name__ == "__main__":
    main()
