"""`make soak`: besieges a daemon with hostile peers, and writes docs/hostile.md.

    python -m benchmarks.hostile [--seconds S] [--idle N]

A smaller siege than the default leaves the page alone.
"""

from __future__ import annotations

from dataclasses import replace

import click

from benchmarks import machine
from benchmarks.claims import DOCS, conclude
from benchmarks.siege import Siege, run
from benchmarks.siege_claims import verdict_of_time, verdicts

TEXT = """\
# Hostile peers

Written by `make soak` on {when}. Machine: {machine}.

For {siege.seconds:.0f} s a daemon had {force.idle:,} connections that sent nothing, {force.slow}
that sent a byte now and then, {force.endless} with lines of a mebibyte, {force.garbage} with
garbage, {force.half_frames} that stopped within a frame; {force.bad_frames} came with impossible
frames, and {force.resets} left by a reset. Clients that behave sent lines by TCP, a Unix stream,
UDP and HTTP meanwhile, and for {siege.calm_s:.0f} s before. `stream_idle_timeout` was
{siege.idle_timeout_s:.0f} s, `stream_max_held_bytes` {held_mib} MiB.

| claim | | figures |
|---|---|---|
{rows}

CPU time of the daemon: {calm_cpu:.1%} of a core before, {cpu:.1%} under siege.
"""


@click.command()
@click.option("--seconds", default=Siege().seconds, show_default=True, help="How long.")
@click.option("--idle", default=Siege().force.idle, show_default=True, help="Idle connections.")
def main(seconds: float, idle: int) -> None:
    """Besieges a daemon. Exits 1 when a claim does not hold."""
    force = replace(Siege().force, idle=idle)
    siege = Siege(seconds=seconds, force=force)
    described = machine.describe()
    click.echo(f"{described}\n{idle:,} idle connections and others for {seconds:g} s ...")
    outcome = run(siege)
    conclude(
        [*verdicts(siege, outcome), verdict_of_time(outcome)],
        TEXT,
        DOCS / "hostile.md" if seconds >= Siege().seconds and idle >= Siege().force.idle else None,
        machine=described,
        siege=siege,
        force=force,
        held_mib=siege.max_held_bytes >> 20,
        calm_cpu=outcome.calm.cpu_s / outcome.calm.passed_s,
        cpu=outcome.besieged.cpu_s / outcome.besieged.passed_s,
    )


if __name__ == "__main__":
    main()
