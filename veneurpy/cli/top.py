"""`veneurpy top`: the names that took most of the last interval."""

from __future__ import annotations

import json

import click

from veneurpy.cli.status import DEFAULT_ADDRESS, page

FIGURES = ("samples", "series", "new", "values", "bytes", "folded", "rejected")


@click.command()
@click.option("--address", default=DEFAULT_ADDRESS, show_default=True, help="Its http_address.")
@click.option("--by", type=click.Choice(FIGURES), default="samples", show_default=True)
@click.option("-n", "count", type=click.IntRange(1, 200), default=10, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="As the API has it.")
def top(address: str, by: str, count: int, as_json: bool) -> None:
    """Show which metric names a running node's last interval was about.

    `new` are series that the interval before did not have, `values` those of the tag that has
    most of them, `folded` and `rejected` values beyond a budget.
    """
    base = address if "://" in address else f"http://{address}"
    try:
        answer = page(base, f"top?by={by}&n={count}")
        lines = [_line(name) for name in answer["names"]]
    except (ValueError, KeyError, TypeError) as exc:
        raise click.ClickException(
            f"what answers at {base} is no veneurpy of this version"
        ) from exc
    except OSError as exc:
        reason = getattr(exc, "reason", exc)
        raise click.ClickException(f"no node answers at {base}: {reason}") from exc
    if as_json:
        click.echo(json.dumps(answer, indent=2, ensure_ascii=False))
        return
    click.echo("".join(f"{figure:>11}" for figure in FIGURES) + "  name (tag)")
    for line in lines:
        click.echo(line)


def _line(name: dict[str, object]) -> str:
    figures = "".join(f"{name[figure]:>11}" for figure in FIGURES)
    tag = f" ({name['tag']})" if name["tag"] else ""
    return f"{figures}  {name['name']}{tag}"
