"""Chaos at length: fleets of real nodes, troubles by seed, everything added up after each round.

    python -m tests.chaos [--rounds N] [--seed N] [--zones | --no-zones] [--keep FOLDER]

Every second fleet has zones, unless told. 200 rounds or more write docs/chaos.md.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import click

from benchmarks import machine
from tests.chaos.disk import can_mount
from tests.chaos.fleet import INTERVAL_S
from tests.chaos.rounds import Outcome, run

A_FLEET = 20
"""Rounds that one fleet goes through."""
PAGE = Path(__file__).parents[2] / "docs" / "chaos.md"
PAGE_FROM = 200
ZONES = (2, 1)

TEXT = """\
# Chaos

Written by `make soak` on {when}. Machine: {machine}.

Fleets of real processes on loopback (4 hosts, 3 owners, a proxy, intervals of {interval_s:g} s,
`localfile` as the sink of all) were sent samples of known totals, while things went wrong by seed:
{rounds} rounds, {a_fleet} to a fleet, seeds from {seed}, {elapsed_s:,.0f} s in all. In {plain} of
them half of the hosts sent through the proxy; in {chained} the hosts were those of two zones, whose
owners (two and one) passed on to the owners above, one zone through the proxy. After each round the
troubles were ended, the fleet settled, and everything that had been published so far was added up.

| trouble | times |
|---|---|
{acts}

{disks}

After {held} of {rounds} rounds all of this held:

- of every series, the sum over all intervals of the highest revision is what was sent, less what
  the nodes name as missing; of none it is more;
- every interval has what was received in it, sample by sample, under its own start;
- a series has one owner in each interval;
- rows of equal revision are equal;
- the accounts of every node add up, and no ledger was violated;
- no node has ended by itself.

| | |
|---|---|
| datagrams sent | {datagrams:,} |
| lost with a killed process, as its successor says, or for want of room in a socket | {lost:,} |
| batches named as rejected, given up or in doubt | {batches:,}{reasons} |
| changes of the ring that all members agreed on | {changes:,} |
| the highest revision of an interval | {revisions:,} |
"""


@click.command()
@click.option("--rounds", default=200, show_default=True, help="How many in all.")
@click.option("--seed", default=1, show_default=True, help="Of the first fleet; the next has more.")
@click.option("--hosts", default=4, show_default=True)
@click.option("--owners", default=3, show_default=True)
@click.option("--zones/--no-zones", default=None, help="By seed, if not given: all even ones.")
@click.option("--keep", type=click.Path(path_type=Path), help="For what a fleet that fails leaves.")
def main(
    rounds: int, seed: int, hosts: int, owners: int, zones: bool | None, keep: Path | None
) -> None:
    """Exits with 1 when something is lost unnamed, counted twice or does not add up."""
    started_s, described = time.monotonic(), machine.describe()
    outcomes = list[Outcome]()
    for first in range(0, rounds, A_FLEET):
        number = seed + len(outcomes)
        has_zones = number % 2 == 0 if zones is None else zones
        outcome = run(
            seed=number,
            rounds=min(A_FLEET, rounds - first),
            hosts=hosts,
            owners=owners,
            zones=ZONES if has_zones else (),
            keep=keep,
            tell=click.echo,
        )
        outcomes.append(outcome)
        if not outcome.holds:
            click.echo("\n".join(outcome.history))
        click.echo(
            f"{dict(outcome.acts)}, {outcome.ring_changes} rings, {outcome.revisions} revisions"
        )
        for verdict in outcome.failures or outcome.verdicts:
            said = "ok  " if verdict.holds else "FAIL"
            click.echo(f"{said}  {verdict.claim}: {verdict.figures}")
    if rounds >= PAGE_FROM:
        PAGE.write_text(_page(outcomes, rounds, seed, described, time.monotonic() - started_s))
    if not all(outcome.holds for outcome in outcomes):
        raise click.exceptions.Exit(1)


def _page(outcomes: list[Outcome], rounds: int, seed: int, described: str, elapsed_s: float) -> str:
    acts = sum((outcome.acts for outcome in outcomes), Counter[str]())
    reasons = sum((outcome.named.by_reason for outcome in outcomes), Counter[str]())
    filled = "Nothing was mounted, so no disk was filled: that takes root."
    if can_mount():
        filled = (
            "The state of one node of each tier was on a small disk, which was filled to the brim."
        )
    return TEXT.format(
        when=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        machine=described,
        interval_s=INTERVAL_S,
        rounds=rounds,
        a_fleet=A_FLEET,
        seed=seed,
        plain=sum(outcome.rounds for outcome in outcomes if not outcome.has_zones),
        chained=sum(outcome.rounds for outcome in outcomes if outcome.has_zones),
        elapsed_s=elapsed_s,
        acts="\n".join(
            f"| {word} | {count:,} |" for word, count in sorted(_troubles(acts).items())
        ),
        disks=filled,
        held=sum(outcome.rounds - (not outcome.holds) for outcome in outcomes),
        datagrams=sum(outcome.datagrams for outcome in outcomes),
        lost=sum(outcome.named.datagrams for outcome in outcomes),
        batches=sum(outcome.named.batches for outcome in outcomes),
        reasons=f" ({dict(reasons)})" if reasons else "",
        changes=sum(outcome.ring_changes for outcome in outcomes),
        revisions=max(outcome.revisions for outcome in outcomes),
    )


def _troubles(acts: Counter[str]) -> dict[str, int]:
    """By what a person calls them; what only ends one is left out."""
    called = {
        "kill": "SIGKILL, and a start within half a second; of a whole tier, within 1.5 s",
        "pause": "SIGSTOP, up to 1.5 s",
        "cut": "connections reset",
        "skew": "a clock set off by up to 1.5 s",
        "poison": "hostile batches",
        "ask": "`veneurpy ring apply`",
        "fill": "a full disk, up to 1.5 s",
    }
    told = {text: acts[word] for word, text in called.items() if acts[word]}
    bad = {"slow": "delayed", "stalled": "stalled", "mute": "without answers", "down": "refused"}
    return told | {f"connections {text}": acts[word] for word, text in bad.items() if acts[word]}


if __name__ == "__main__":
    main()
