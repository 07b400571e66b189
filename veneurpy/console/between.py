"""What `veneurpy status` shows of a node's dealings with other nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from veneurpy.console.tables import counted, table

Page = Mapping[str, Any]


def between_nodes(status: Page) -> Iterator[str]:
    """Paragraphs; none for a node that stands alone."""
    if not status.get("roles"):
        return
    yield _who(status)
    if forward := status.get("forward"):
        yield from _way(forward)
    chain = status.get("chain")
    if owner := status.get("owner"):
        yield _owner(owner, "passed on" if chain else "published")
        if rows := [*_intervals(owner["open"], "open"), *_intervals(owner["late"], "late")]:
            yield table([("interval", "", "hosts", "batches", "series", "samples"), *rows])

    if chain:
        members = ", ".join(chain["members"])
        yield f"next tier, epoch {chain['epoch']}: {members}"
        yield from _way(chain)
        if chain["short_windows"]:
            yield "\n".join(
                f"TOO SHORT at {each['owner']}: {each['key']}, {each['needed_s']:g}s are needed"
                for each in chain["short_windows"]
            )


def _way(forward: Page) -> Iterator[str]:
    """What waits for owners, and what did not get through."""
    if forward["owners"]:
        yield table(_lanes(forward["owners"]))
    yield from _errors(forward["owners"])
    yield from _lost(forward["accounts"])


def _who(status: Page) -> str:
    ring = status["forward"]
    members = ", ".join(ring["members"])
    text = f"{status['node']} is {' and '.join(status['roles'])}; epoch {ring['epoch']}: {members}"
    if grpc := status["grpc"]:
        text += f"; receives on {grpc['address']}, {counted(grpc['connections'], 'connections')}"
    return text


def _lanes(owners: Sequence[Page]) -> Iterator[Sequence[str]]:
    columns = ("batches", "series", "samples", "bytes")
    yield "waits for owner", *columns
    for lane in owners:
        yield lane["owner"], *(f"{lane[column]:,}" for column in columns)


def _errors(owners: Sequence[Page]) -> Iterator[str]:
    if errors := [f"{o['owner']}: {o['last_error']}" for o in owners if o["last_error"]]:
        yield "last error of " + "\nlast error of ".join(errors)


def _lost(accounts: Page) -> Iterator[str]:
    """What did not reach an owner, or may not have."""
    lines = [
        f"{word.replace('_', ' ')} ({reason}): {counted(sums['batches'], 'batches')}, "
        f"{counted(sums['samples'], 'samples')}"
        for word in ("rejected", "given_up", "in_doubt")
        for reason, sums in accounts[word].items()
    ]
    if lines:
        yield "\n".join(lines)


def _owner(owner: Page, done: str) -> str:
    last = owner["last_sealed_ms"]
    when = "none" if last is None else f"{_time(last)} UTC"
    text = (
        f"owner of {counted(owner['sealed'], 'intervals')} {done}, the last {when}: "
        f"{owner['hosts_in']} of {counted(owner['hosts_known'], 'hosts')} in"
    )
    if owner["restoring"]:
        text += f"; {counted(owner['restoring'], 'intervals')} restored for what comes late"
    if owner["quarantined"]:
        text += f"; {counted(owner['quarantined'], 'batches')} quarantined"
    if owner["failure"]:
        text += f"\nNOTHING IS {done.upper()}: {owner['failure']}"
    return text


def _intervals(intervals: Sequence[Page], what: str) -> Iterator[Sequence[str]]:
    for each in intervals:
        counts = (each[key] for key in ("hosts", "batches", "series", "samples"))
        yield _time(each["start_ms"]), what, *(f"{count:,}" for count in counts)


def _time(ms: int) -> str:
    return f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S}"
