"""Sealed rows go the way of this node's own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import pytest

from tests.recording import Recorder
from veneurpy.accounts import HostAccounts
from veneurpy.flush.keeper import Keeper
from veneurpy.flush.lanes import Lane
from veneurpy.flush.sealed import SealedRows
from veneurpy.ledger import Book, ClosedInterval, Ledger
from veneurpy.spool import Part, Record, Spool
from veneurpy.telemetry import Telemetry
from veneurpy.testing import START_MS, FakeClock, MemorySink, batch


async def test_what_is_sealed_is_delivered_and_accounted_for(tmp_path: Path) -> None:
    """Every sink gets the revision; the ledger's equations hold with the rows of seals in them."""
    clock, sink, ledger = FakeClock(), MemorySink(), Ledger(["memory"])
    telemetry = Telemetry(Recorder(), clock)
    failures: list[tuple[str, str]] = []
    spool = Spool(
        tmp_path,
        most_bytes=1 << 20,
        oldest_s=3600.0,
        failed=lambda what, error: failures.append((what, error)),
    )
    await spool.open()
    lane = Lane(
        "memory",
        sink,
        kind="debug",
        clock=clock,
        telemetry=telemetry,
        accounts=ledger.total.sinks["memory"],
        queue_batches=4,
        flush_timeout_s=5.0,
        oldest_s=60.0,
    )
    loop = asyncio.get_running_loop()
    rows = SealedRows(
        Keeper(spool, [lane], clock), [lane], ledger=ledger, telemetry=telemetry, loop=loop
    )
    columns = batch(("a", 3.0, "counter"), ("b", 2.0)).columns
    record = Record(UUID(int=1), START_MS, "o0", columns, [Part(None, 10.0, 2)], before={0: 1.0})
    owed = await asyncio.to_thread(rows.owed, record)
    assert [("memory", 0, 2)] == [(each.sink, each.number, each.rows) for each in owed]
    await asyncio.to_thread(
        lambda: spool.commit(record, owed, end_ms=START_MS + 10_000, now_ms=START_MS)
    )
    await asyncio.to_thread(rows.offer, record)
    lane.close()
    await lane.run()
    (given,) = sink.batches
    assert (2, START_MS, {0: 1.0}) == (given.revision, given.start_ms, given.before)
    assert [] == ledger.total.violations()
    assert 2 == ledger.total.store.points
    assert [] == await spool.owed()
    assert [] == failures
    await spool.close()


@pytest.mark.parametrize("holds", [True, False])
def test_accounts_of_elsewhere_are_checked_and_shown(holds: bool) -> None:
    """The equations between nodes are the ledger's too."""
    accounts, ledger = HostAccounts(), Ledger([])
    accounts.encoded.add(2, 5, 7)
    accounts.pending.add(2 if holds else 1, 5, 7)
    ledger.elsewhere["forward"] = accounts
    broken = ledger.close(ClosedInterval(UUID(int=1), 0, 1, Book()))
    assert (0 if holds else 1) == len(broken) == ledger.violations
    shown = ledger.as_dict()["between_nodes"]["forward"]["equations"]
    assert [holds, True] == [equation["holds"] for equation in shown]
