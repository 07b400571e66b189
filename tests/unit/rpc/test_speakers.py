"""With mutual TLS a node speaks for its own name only."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest
import trustme

from tests.grpc_target import Served, served
from tests.recording import Recorder
from tests.unit.rpc.test_tls import Files, client, server
from veneurpy.forward.answer import HELD, Answer, Kind
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.grpc_peer import GrpcPeer
from veneurpy.listeners._speakers import MOST_PAIRS, OTHERS, Speakers
from veneurpy.rpc.tls import ClientTls
from veneurpy.telemetry import Telemetry, metrics
from veneurpy.testing import FakeClock

REFUSED = Answer(Kind.REFUSED, "sender")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


async def answer(node: Served, tls: ClientTls | None, sender: str) -> Answer:
    """What a batch in the name of `sender` is answered."""
    peer = GrpcPeer("owner", lambda _: node.address, tls=tls)
    try:
        id = BatchId(UUID(int=1), 0, 1)
        return await peer.deliver(Batch(id, 0, 10_000, 1, "owner", sender, b"", 0, 1, 1))
    finally:
        await peer.close()


async def test_a_lie_is_refused_and_named(tmp_path: Path, authority: trustme.CA) -> None:
    """A batch in another's name is not taken; it is counted with both names and logged once."""
    ours = Files(tmp_path / "ours", authority, "127.0.0.1")
    h1 = client(Files(tmp_path / "h1", authority, "h1.example", "h1").paths())
    async with served(tls=server(ours.paths())) as node:
        assert await answer(node, h1, "h1") == HELD
        assert await answer(node, h1, "h1.example") == HELD
        assert await answer(node, h1, "h2") == REFUSED
        assert await answer(node, h1, "h2") == REFUSED
    assert [each.sender for each in node.target.batches] == ["h1", "h1.example"]
    names = {"certificate": "h1,h1.example", "sender": "h2"}
    assert node.telemetry.value(metrics.SENDERS_FORGED, **names) == 2
    (told,) = node.log.of("sender_forged")
    assert told["certificate"] == "h1,h1.example"
    assert told["sender"] == "h2"


async def test_a_relay_may_send_in_any_name(tmp_path: Path, authority: trustme.CA) -> None:
    """A proxy passes batches on under their senders' names."""
    ours = Files(tmp_path / "ours", authority, "127.0.0.1")
    p1 = client(Files(tmp_path / "p1", authority, "p1").paths())
    async with served(tls=server(ours.paths()), relays=["p1"]) as node:
        assert await answer(node, p1, "h1") == HELD


async def test_a_new_member_of_the_ring_may_relay(tmp_path: Path, authority: trustme.CA) -> None:
    """Whoever is made a member while the node runs may pass on what hosts send to it."""
    ours = Files(tmp_path / "ours", authority, "127.0.0.1")
    g4 = client(Files(tmp_path / "g4", authority, "g4").paths())
    relays = ["g1"]
    async with served(tls=server(ours.paths()), relays=relays) as node:
        assert await answer(node, g4, "h1") == REFUSED
        relays.append("g4")
        assert await answer(node, g4, "h1") == HELD


async def test_whoever_needs_no_certificate_needs_no_name(
    tmp_path: Path, authority: trustme.CA
) -> None:
    """In the clear, and with TLS that asks for no certificate, any name is taken."""
    ours = Files(tmp_path / "ours", authority, "127.0.0.1")
    async with served() as node:
        assert await answer(node, None, "anybody") == HELD
    async with served(tls=server(ours.paths(authority=False))) as node:
        assert await answer(node, client(ours.paths()), "anybody") == HELD


def test_a_liar_cannot_flood() -> None:
    """Names that a liar makes up are counted together beyond a bound, and not logged."""
    log = Recorder()
    telemetry = Telemetry(log, FakeClock())
    speakers = Speakers(tuple, telemetry)
    for number in range(MOST_PAIRS + 50):
        assert not speakers.allow(frozenset({"h1"}), f"name-{number}" + "x" * 1000)
    assert len(log.of("sender_forged")) == MOST_PAIRS + 1
    others = {"certificate": OTHERS, "sender": OTHERS}
    assert telemetry.value(metrics.SENDERS_FORGED, **others) == 50
    assert max(len(line["sender"]) for line in log.of("sender_forged")) == 200


def test_a_certificate_without_names_speaks_for_nobody() -> None:
    """Not even for the empty name."""
    speakers = Speakers(lambda: ("p1",), Telemetry(Recorder(), FakeClock()))
    assert not speakers.allow(frozenset(), "h1")
    assert not speakers.allow(frozenset(), "")
