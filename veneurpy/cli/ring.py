"""`veneurpy ring`: who owns what, and how that is changed."""

from __future__ import annotations

import json
import urllib.request
from datetime import UTC, datetime
from typing import Any
from urllib.error import HTTPError

import click

from veneurpy.cli.status import DEFAULT_ADDRESS, expecting_a_node

TIMEOUT_S = 60.0

_address = click.option(
    "--address", default=DEFAULT_ADDRESS, show_default=True, help="A member's http_address."
)
_hash = click.option(
    "--hash", "hash_", type=click.Choice(["rendezvous", "veneur"]), help="Unchanged if not given."
)
_members = click.argument("members", nargs=-1, required=True)


@click.group()
def ring() -> None:
    """Show and change who the members of the global tier are."""


@ring.command()
@_address
def show(address: str) -> None:
    """Show the member lists, and whether every member goes by them.

    Exits with 1 if one does not.
    """
    page = _ask(address, "")
    for epoch in page["epochs"]:
        mark = "*" if epoch["number"] == page["active"] else " "
        click.echo(
            f"{mark} epoch {epoch['number']}  from {_time(epoch['from_ms'])}  {epoch['hash']}  "
            f"{' '.join(epoch['members'])}"
        )
    agreed = {True: "agrees", False: "DISAGREES", None: "NO ANSWER"}
    for name, said in sorted(page["members"].items()):
        click.echo(f"{name}: {agreed[said['agrees']]}  {said.get('error', '')}".rstrip())
    if not all(said["agrees"] for said in page["members"].values()):
        raise SystemExit(1)


@ring.command()
@_address
@_hash
@_members
def plan(address: str, hash_: str | None, members: tuple[str, ...]) -> None:
    """Show what would move if these were the MEMBERS. Changes nothing."""
    page = _ask(address, "/plan", {"members": list(members), "hash": hash_})
    for name, share in page["shares"].items():
        click.echo(f"{name}: {share['before']:6.1%} -> {share['after']:6.1%} of the series")
    click.echo(
        f"{page['moving']:.1%} of the series get another owner; the busiest member has "
        f"{page['max_over_mean']:.2f} times its part"
    )


@ring.command()
@_address
@_hash
@click.option("--in", "lead_s", default=60.0, show_default=True, help="Seconds until it begins.")
@_members
def apply(address: str, hash_: str | None, lead_s: float, members: tuple[str, ...]) -> None:
    """Make these the MEMBERS, once every old and new one has agreed."""
    asked = {"members": list(members), "hash": hash_, "lead_s": lead_s}
    page = _ask(address, "/apply", asked)
    click.echo(
        f"epoch {page['epoch']['number']} begins at {_time(page['epoch']['from_ms'])}; agreed by "
        f"{', '.join(page['adopted_by'])}"
    )


def _ask(address: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    base = address if "://" in address else f"http://{address}"
    with expecting_a_node(base):
        request = urllib.request.Request(
            f"{base.rstrip('/')}/api/v1/ring{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            return _answer(request)
        except HTTPError as exc:
            with exc:
                text = exc.read().decode(errors="replace").strip()
            if exc.code == 404:
                text = f"{base} is no member of a ring"
            raise click.ClickException(text) from exc


def _answer(request: urllib.request.Request) -> dict[str, Any]:
    # Never by a proxy of the environment: the page is the node's own.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(request, timeout=TIMEOUT_S) as answer:
        page: dict[str, Any] = json.load(answer)
        return page


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(sep=" ", timespec="seconds")
