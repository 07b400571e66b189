"""`make soak`: attacks a daemon with series without number, and writes docs/attack.md.

    python -m benchmarks.attack [--seconds S] [--rate PER_S] [--interval S]

A shorter run than the default leaves the page alone.
"""

from __future__ import annotations

import click

from benchmarks import machine
from benchmarks.attacking import LINES_EACH, Attack, run, verdicts
from benchmarks.claims import DOCS, conclude, in_mib

TEXT = """\
# A cardinality attack

Written by `make soak` on {when}. Machine: {machine}.

A client put a random value into a tag of every sample: {damage.attack.lines:,} samples of one
counter in {damage.attack.elapsed_s:.0f} s, {rate:,.0f}/s, {lines_each} to a datagram. Another sent
{damage.known.lines:,} samples of all types over 1,000 series meanwhile. The daemon (`localfile` as
its sink, interval {attack.interval_s:g} s) had a store of {store_mib} MiB; a name may have
{attack.max_series_per_name:,} series.

| claim | | figures |
|---|---|---|
{rows}

Resident memory in MiB, twice in an interval: {memory}.
"""


@click.command()
@click.option("--seconds", default=300.0, show_default=True, help="How long to attack.")
@click.option("--rate", default=100_000.0, show_default=True, help="Samples per second.")
@click.option("--interval", default=10.0, show_default=True, help="The daemon's, in seconds.")
def main(seconds: float, rate: float, interval: float) -> None:
    """Attacks a daemon. Exits 1 when a claim does not hold."""
    attack = Attack(seconds=seconds, rate=rate, interval_s=interval)
    described = machine.describe()
    click.echo(f"{described}\n{rate:,.0f} new series/s for {seconds:g} s ...")
    damage = run(attack)
    conclude(
        list(verdicts(attack, damage)),
        TEXT,
        DOCS / "attack.md" if seconds >= Attack().seconds else None,
        machine=described,
        attack=attack,
        damage=damage,
        rate=damage.attack.rate * LINES_EACH,
        lines_each=LINES_EACH,
        store_mib=attack.store_max_bytes >> 20,
        memory=in_mib(damage.rss_bytes),
    )


if __name__ == "__main__":
    main()
