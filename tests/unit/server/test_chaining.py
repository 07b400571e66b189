"""A node that passes on, and one that has ceased to."""

from __future__ import annotations

from pathlib import Path

from tests.engines import needs_native
from tests.unit.forward.owners import batch
from tests.unit.server.test_server import CONFIG, Rig
from veneurpy.spool.database import Database
from veneurpy.spool.outbox import CHAIN

pytestmark = needs_native


def settings(folder: Path, more: str = "") -> str:
    """An owner with a disk, in which something waits for the next tier."""
    for part in ("state", "arenas"):
        (folder / part).mkdir()
    database = Database(folder / "state" / "spool.db")
    with database.transaction() as db:
        CHAIN.keep(db, [batch(owner="t1")])
    database.close()
    dirs = f"state_dir: {folder}/state\narena_dir: {folder}/arenas\n"
    native = CONFIG.replace("engine: python", "store_max_bytes: 64MiB")
    return f"{native}{dirs}grpc_address: 127.0.0.1:0\nnode_name: z1\n{more}"


async def test_what_waits_is_shown_and_stays(tmp_path: Path) -> None:
    """By its owner, in the accounts of the chain; nobody answers here."""
    rig = Rig(settings(tmp_path, "chain: {members: {t1: '127.0.0.1:9'}}\n"))
    await rig.run()
    assert rig.server.node is not None
    status = rig.server.node.status()
    await rig.stop()
    assert ["owner"] == status["roles"]
    assert ["t1"] == status["chain"]["members"]
    (lane,) = status["chain"]["owners"]
    assert ("t1", 1) == (lane["owner"], lane["batches"])
    assert 1 == status["chain"]["accounts"]["restored"]["batches"]
    assert [] == status["forward"]["owners"]


async def test_a_chain_that_is_gone_is_told(tmp_path: Path) -> None:
    """What waits for it is kept, and named at each start."""
    rig = Rig(settings(tmp_path))
    await rig.run()
    await rig.stop()
    assert [("t1", 1)] == [(each["owner"], each["batches"]) for each in rig.log.of("chain_gone")]
    database = Database(tmp_path / "state" / "spool.db")
    assert ["t1"] == list(CHAIN.waiting(database.connection))
    database.close()
