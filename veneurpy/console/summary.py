"""What `veneurpy status` shows: the status and ledger pages of the API, as a person reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from veneurpy.config.quantity import format_duration
from veneurpy.console.between import between_nodes
from veneurpy.console.tables import counted, table

Page = Mapping[str, Any]

_FATES = ("confirmed", "rejected", "given_up", "in_doubt", "pending")


def ledger_holds(ledger: Page) -> bool:
    """Whether every equation holds now and has held at every flush."""
    return not ledger["violations"] and not broken_equations(ledger)


def broken_equations(ledger: Page) -> list[str]:
    """The equations that do not hold, each written out."""
    books = {"since the start": ledger["total"], "last interval": ledger["last_interval"] or {}}
    # An older daemon may be asked, which knows no other nodes.
    books |= {f"between nodes, {name}": b for name, b in ledger.get("between_nodes", {}).items()}
    return [
        _written_out(equation, when)
        for when, book in books.items()
        for equation in book.get("equations", ())
        if not equation["holds"]
    ]


def summary(status: Page, ledger: Page) -> str:
    """The two pages on one screen, in plain text."""
    parts = [
        _head(status),
        table(_listener_rows(status, ledger)),
        *_rejections(ledger),
        _last_flush(status),
        *_memory(status),
        *_recovered(status),
        *between_nodes(status),
        table(_sink_rows(ledger)),
        *_sink_errors(status),
        _verdict(ledger),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(status: Page) -> str:
    health = "" if status["healthy"] else ", NOT healthy"
    host = status["host"] or "this host"
    return (
        f"veneurpy {status['version']} on {host}: {status['state']}{health} for "
        f"{format_duration(round(status['uptime_s']))} (pid {status['pid']}), "
        f"engine {status['engine']}, interval {format_duration(status['interval_s'])}"
    )


def _listener_rows(status: Page, ledger: Page) -> Iterator[Sequence[str]]:
    yield "listener", "datagrams", "lines", "rejected", "kernel drops", "lines since the flush"
    closed, still_open = ledger["total"]["listeners"], status["open_interval"]["listeners"]
    for name in {**closed, **still_open}:
        accounts = closed.get(name, {})
        counts = (
            accounts.get("datagrams", 0),
            accounts.get("lines", 0),
            sum(accounts.get("rejected", {}).values()),
            accounts.get("kernel_drops", 0),
            still_open.get(name, {}).get("lines", 0),
        )
        yield name, *(f"{count:,}" for count in counts)


def _rejections(ledger: Page) -> Iterator[str]:
    lines = []
    for name, accounts in ledger["total"]["listeners"].items():
        for what, account in (("lines", "rejected"), ("values", "values_rejected")):
            if reasons := _terms({k: n for k, n in accounts[account].items() if n}):
                lines.append(f"rejected {what} at {name}: {reasons}")
        # An older daemon may be asked, which drops nothing by rule.
        if filtered := accounts.get("filtered", 0):
            lines.append(f"dropped by rules at {name}: {counted(filtered, 'values')}")
    if lines:
        yield "\n".join(lines)


def _last_flush(status: Page) -> str:
    last = status["last_flush"]
    if last is None:
        return "no flush so far"
    start = datetime.fromtimestamp(last["start_ms"] / 1000, UTC)
    length = format_duration((last["end_ms"] - last["start_ms"]) / 1000)
    counts = ", ".join(
        counted(last[what], what) for what in ("series", "points", "events", "checks")
    )
    return f"last flush, of {length} from {start:%Y-%m-%d %H:%M:%S} UTC: {counts}"


def _memory(status: Page) -> Iterator[str]:
    # An older daemon may be asked, which does not say it.
    if use := status.get("memory"):
        mib = {what: f"{size / (1 << 20):,.1f}" for what, size in use.items()}
        yield (
            f"store: {mib['arenas']} MiB, {mib['flush']} MiB of points under way, "
            f"at most {mib['peak']} of {mib['limit']} MiB so far"
        )


def _recovered(status: Page) -> Iterator[str]:
    # An older daemon may be asked, which knows neither.
    if found := status.get("recovered"):
        yield (
            f"recovered from the process before: {counted(found['intervals'], 'intervals')}, "
            f"{counted(found['series'], 'series')}, {counted(found['samples'], 'samples')}; "
            f"lost with it: {counted(found['lost_datagrams'], 'datagrams')}"
        )
    if spool := status.get("spool"):
        intervals, size = (counted(spool[what], what) for what in ("intervals", "bytes"))
        yield f"on disk for the sinks: {intervals}, {size}"
        if waiting := spool.get("spare_bytes"):
            yield f"waiting for a disk that takes nothing: {counted(waiting, 'bytes')}"


def _sink_rows(ledger: Page) -> Iterator[Sequence[str]]:
    yield "sink", *(fate.replace("_", " ") for fate in _FATES)
    for name, sink in ledger["total"]["sinks"].items():
        totals = (_total(sink["points"][fate]) + _total(sink["others"][fate]) for fate in _FATES)
        yield name, *(f"{total:,}" for total in totals)


def _sink_errors(status: Page) -> Iterator[str]:
    # An older daemon may be asked, which does not say whether it is over.
    errors = [
        f"last error of {sink['name']}{'' if sink.get('failing', True) else ', which is over'}: "
        f"{sink['last_error']}"
        for sink in status["sinks"]
        if sink["last_error"]
    ]
    if errors:
        yield "\n".join(errors)


def _verdict(ledger: Page) -> str:
    if ledger_holds(ledger):
        return f"the ledger holds, over {counted(ledger['intervals'], 'intervals')}"
    broken = broken_equations(ledger)
    head = f"THE LEDGER DOES NOT HOLD ({ledger['violations']:,} violations): a bug of veneurpy"
    return "\n".join([head, *broken])


def _written_out(equation: Page, when: str) -> str:
    # The account on the left is the one key that as_dict names after itself.
    named = {"equation", "where", "terms", "sum", "holds"}
    left = next(key for key in equation if key not in named)
    terms = " + ".join(f"{name} {count:,}" for name, count in equation["terms"].items())
    return (
        f"{equation['where']}: {equation['equation']} ({when}): "
        f"{left} {equation[left]:,} is not {terms} = {equation['sum']:,}"
    )


def _total(account: int | Mapping[str, int]) -> int:
    return account if isinstance(account, int) else sum(account.values())


def _terms(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())
