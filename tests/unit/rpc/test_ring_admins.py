"""Who may change the ring, by the certificate of the node that asks."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from tests.grpc_target import Served, served
from tests.unit.rpc.test_tls import Files, client, server
from veneurpy.forward.epochs import Epoch
from veneurpy.forward.grpc_peer import GrpcPeer
from veneurpy.ports import PeerUnavailable
from veneurpy.rpc.tls import ClientTls
from veneurpy.telemetry import metrics

SECOND = Epoch(2, 10_000, ("a",))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def adopt(node: Served, tls: ClientTls | None) -> bool:
    """Whether a node with this certificate has changed the ring."""
    peer = GrpcPeer("owner", lambda _: node.address, tls=tls)
    try:
        await peer.table()
        return await peer.adopt(SECOND)
    finally:
        await peer.close()


async def test_who_is_not_named_changes_nothing(tmp_path: Path, authority: trustme.CA) -> None:
    """It is refused, counted and told of, though it may send and ask as any other."""
    ours = Files(tmp_path / "ours", authority, "127.0.0.1")
    h1 = client(Files(tmp_path / "h1", authority, "h1.example", "h1").paths())
    g1 = client(Files(tmp_path / "g1", authority, "g1").paths())
    async with served(tls=server(ours.paths()), ring_admins=["g1", "g2"]) as node:
        for _ in range(2):
            with pytest.raises(PeerUnavailable, match=r"PERMISSION_DENIED.*ring_admins"):
                await adopt(node, h1)
        assert [1] == [epoch.number for epoch in node.target.epochs]
        assert await adopt(node, g1)
        assert [1, 2] == [epoch.number for epoch in node.target.epochs]
    assert 2 == node.telemetry.value(metrics.RING_CHANGES_REFUSED)
    (told,) = node.log.of("ring_change_refused")
    assert "h1,h1.example" == told["certificate"]


async def test_whoever_has_a_certificate_may_where_nobody_is_named(
    tmp_path: Path, authority: trustme.CA
) -> None:
    """And everybody, where none is asked for."""
    ours = Files(tmp_path / "ours", authority, "127.0.0.1")
    h1 = client(Files(tmp_path / "h1", authority, "h1").paths())
    async with served(tls=server(ours.paths())) as node:
        assert await adopt(node, h1)
    async with served() as node:
        assert await adopt(node, None)


async def test_who_shows_no_certificate_is_not_named() -> None:
    """Where names are given and no certificate was asked for, nobody may."""
    async with served(ring_admins=["g1"]) as node:
        with pytest.raises(PeerUnavailable, match="PERMISSION_DENIED"):
            await adopt(node, None)
    assert 1 == node.telemetry.value(metrics.RING_CHANGES_REFUSED)
