"""What is for other nodes when a node stops, and when it has no way to them any more."""

from __future__ import annotations

from pathlib import Path

from tests.engines import needs_native
from tests.unit.forward.owners import batch
from tests.unit.forward.test_arrivals import a_list
from tests.unit.server.test_server import CONFIG, Rig
from veneurpy.forward.veneur_peer import SEND_LIST
from veneurpy.rpc.client import Channel
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import CHAIN, FORWARD
from veneurpy.testing import START_MS

pytestmark = needs_native


def settings(folder: Path) -> str:
    """A node with a disk."""
    for part in ("state", "arenas"):
        (folder / part).mkdir()
    dirs = f"state_dir: {folder}/state\narena_dir: {folder}/arenas\n"
    return CONFIG.replace("engine: python", "store_max_bytes: 64MiB") + dirs


async def test_what_is_left_is_told_where_nothing_is_forwarded(tmp_path: Path) -> None:
    """Of both tiers; it is kept, and named at each start."""
    text = settings(tmp_path)
    database = Database(tmp_path / "state" / "spool.db")
    with database.transaction() as db:
        FORWARD.keep(db, [batch(owner="g1"), batch(owner="g1", part=1)])
        CHAIN.keep(db, [batch(owner="t1", number=2)])
    database.close()
    for _ in range(2):
        rig = Rig(text)
        await rig.run()
        await rig.stop()
        found = rig.log.of("forward_gone") + rig.log.of("chain_gone")
        assert [("g1", 2), ("t1", 1)] == [(each["owner"], each["batches"]) for each in found]


async def test_what_veneurs_sent_outlives_an_orderly_end(tmp_path: Path) -> None:
    """They were told that it was taken; the interval that goes on in the arenas has it not."""
    more = "node_name: p1\ngrpc_address: 127.0.0.1:0\nforward: {members: {g1: '127.0.0.1:9'}}\n"
    rig = Rig(settings(tmp_path) + more)
    await rig.run()
    channel = Channel(rig.server.node.status()["grpc"]["address"])
    await channel.call(SEND_LIST, a_list("a", "b"), timeout_s=20.0)
    await channel.close()
    await rig.stop()
    assert [] == rig.log.of("ledger_violated")
    database = Database(tmp_path / "state" / "spool.db")
    (head,) = FORWARD.heads(database.connection, "g1")
    database.close()
    assert (START_MS, 2) == (head.start_ms, head.series)
