"""`veneurpy top`: the names, or the clients, that took most of the last interval."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from veneurpy.cli.status import DEFAULT_ADDRESS, expecting_a_node, page

FIGURES = {
    "names": ("samples", "series", "new", "values", "bytes", "folded", "rejected"),
    "clients": ("datagrams", "samples", "series", "new", "bytes", "folded", "rejected", "over"),
}

ESTIMATED = "estimates: of datagrams one batch in 64 is looked at (max_series_per_client is 0)"


@click.command()
@click.option("--address", default=DEFAULT_ADDRESS, show_default=True, help="Its http_address.")
@click.option("--clients", "of", flag_value="clients", help="Clients instead of names.")
@click.option("--by", default="samples", show_default=True, help="The figure to sort by.")
@click.option("-n", "count", type=click.IntRange(1, 200), default=10, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As the API has it.")
def top(address: str, of: str | None, by: str, count: int, as_json: bool) -> None:
    """Show which names, or clients, the last interval was about.

    `new` are series that the interval before did not have, `values` those of the tag that has most
    of them, `folded` and `rejected` values beyond a budget. A client's `series` are those that it
    was the first to send; `over` are values of those that were one too many.
    """
    of = of or "names"
    if by not in FIGURES[of]:
        raise click.UsageError(f"the figures of {of} are {', '.join(FIGURES[of])}, not {by!r}")
    base = address if "://" in address else f"http://{address}"
    with expecting_a_node(base):
        answer = page(base, f"top?of={of}&by={by}&n={count}")
        lines = [_line(top, FIGURES[of]) for top in answer[of]]
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    heading = "  name (tag)" if of == "names" else "  client"
    click.echo("".join(f"{figure:>11}" for figure in FIGURES[of]) + heading)
    for line in lines:
        click.echo(line)
    if answer.get("estimated"):
        click.echo(ESTIMATED)


def _line(top: dict[str, object], figures: Sequence[str]) -> str:
    numbers = "".join(f"{top[figure]:>11}" for figure in figures)
    tag = f" ({top['tag']})" if top.get("tag") else ""
    return f"{numbers}  {top.get('name', top.get('client')) or '(all others)'}{tag}"
