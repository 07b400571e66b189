"""`make soak`: loads a real daemon for ten minutes, says which claims hold, writes docs/soak.md.

    python -m benchmarks.soak [--seconds S] [--rate PER_S] [--interval S]

A shorter run than the default leaves the page alone.
"""

from __future__ import annotations

import click

from benchmarks import machine
from benchmarks.claims import DOCS, conclude, in_mib
from benchmarks.soaking import Soak, run

TEXT = """\
# Soak

Written by `make soak` on {when}. Machine: {machine}.

A real daemon (`localfile` as its sink, interval {soak.interval_s:g} s) was sent
{outcome.sent.datagrams:,} datagrams in {outcome.sent.elapsed_s:.0f} s, {outcome.sent.rate:,.0f}/s,
one metric each, a mix of all types over {soak.load.series:,} series. A second daemon of the same
configuration ran beside it and was sent nothing: it shows what the machine does to an event loop.

| claim | | figures |
|---|---|---|
{rows}

Resident memory in MiB at the end of each interval: {memory}.
"""


@click.command()
@click.option("--seconds", default=600.0, show_default=True, help="How long to send.")
@click.option("--rate", default=50_000.0, show_default=True, help="Datagrams per second.")
@click.option("--interval", default=10.0, show_default=True, help="The daemon's, in seconds.")
def main(seconds: float, rate: float, interval: float) -> None:
    """Soaks a daemon. Exits 1 when a claim does not hold."""
    soak = Soak(seconds=seconds, rate=rate, interval_s=interval)
    described = machine.describe()
    click.echo(f"{described}\n{rate:,.0f} datagrams/s for {seconds:g} s ...")
    outcome = run(soak)
    conclude(
        list(outcome.verdicts()),
        TEXT,
        DOCS / "soak.md" if seconds >= Soak().seconds else None,
        machine=described,
        soak=soak,
        outcome=outcome,
        memory=in_mib(outcome.rss_bytes),
    )


if __name__ == "__main__":
    main()
