"""`veneurpy status`: what a running node has taken, where it went, and whether it adds up."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, InvalidURL
from typing import Any
from urllib.error import HTTPError

import click

DEFAULT_ADDRESS = "http://127.0.0.1:8127"
TIMEOUT_S = 5.0


@click.command()
@click.option("--address", default=DEFAULT_ADDRESS, show_default=True, help="Its http_address.")
@click.option("--json", "as_json", is_flag=True, help="Both pages of the API, unabridged.")
def status(address: str, as_json: bool) -> None:
    """Show what a running node has taken and where it went.

    Exits with 1 if the node cannot be reached or its ledger does not hold.
    """
    from veneurpy.console.summary import ledger_holds, summary

    base = address if "://" in address else f"http://{address}"
    with expecting_a_node(base):
        node, ledger = page(base, "status"), page(base, "ledger")
        text = summary(node, ledger)
    if as_json:
        text = json.dumps({"status": node, "ledger": ledger}, indent=2, ensure_ascii=False) + "\n"
    click.echo(text, nl=False)
    if not ledger_holds(ledger):
        raise SystemExit(1)


@contextmanager
def expecting_a_node(base: str) -> Iterator[None]:
    """Tells the user, of whatever is wrong with an answer, who does not answer as a node does."""
    try:
        yield
    except (OSError, InvalidURL) as exc:
        raise click.ClickException(no_node(base, exc)) from exc
    except (ValueError, KeyError, TypeError, HTTPException) as exc:
        raise click.ClickException(
            f"what answers at {base} is no veneurpy of this version"
        ) from exc


def no_node(base: str, error: Exception) -> str:
    """That nobody answers, and what to do."""
    reason = getattr(error, "reason", error)
    return (
        f"no node answers at {base}: {getattr(reason, 'strerror', None) or reason}: start one with "
        "`veneurpy run`, or say the http_address of one that runs with --address"
    )


def page(base: str, name: str) -> dict[str, Any]:
    """One page of the API. Raises ValueError for what is none, OSError where nobody answers."""
    # Never by a proxy of the environment: the page is this host's own.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(f"{base.rstrip('/')}/api/v1/{name}", timeout=TIMEOUT_S) as answer:
            page: dict[str, Any] = json.load(answer)
            return page
    except HTTPError as exc:
        exc.close()
        raise ValueError(exc.reason) from exc
