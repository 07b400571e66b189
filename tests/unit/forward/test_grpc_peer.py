"""A peer and the listener on the other end agree on every message."""

from __future__ import annotations

import zlib
from dataclasses import replace
from uuid import UUID

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tests.grpc_target import RememberingTarget, served
from veneurpy.engine.exchange import MAX_MESSAGE_BYTES
from veneurpy.engine.reference_protobuf import bytes_field, fields
from veneurpy.forward import messages
from veneurpy.forward.answer import DONE, HELD, UNKNOWN, Answer, Kind, Windows
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.forward.grpc_peer import GrpcPeer
from veneurpy.forward.messages import MessageBroken
from veneurpy.ports import PeerUnavailable
from veneurpy.rpc.client import Channel
from veneurpy.rpc.status import CallFailed, Status

TEXT = st.text(max_size=20)
NUMBER = st.integers(0, 2**62)
BATCHES = st.builds(
    lambda uuid, part, payload, rest: Batch(
        BatchId(uuid, part, part + 1), *rest, payload, zlib.crc32(payload), 3, 4, 5
    ),
    st.uuids(),
    st.integers(0, 65535),
    st.binary(max_size=2000),
    st.tuples(st.integers(-(2**62), 2**62), NUMBER, NUMBER, TEXT, TEXT),
)
EPOCHS = st.builds(
    Epoch,
    st.just(3),
    NUMBER,
    st.lists(TEXT, min_size=1, unique=True).map(tuple),
    st.sampled_from(["rendezvous", "veneur"]),
)
SECONDS = st.integers(0, 10**6).map(lambda ms: ms / 1000)
ANSWERS = st.builds(
    Answer,
    st.sampled_from(Kind),
    TEXT,
    SECONDS,
    st.none() | EPOCHS.map(lambda epoch: EpochTable([epoch])),
    st.none() | st.builds(Windows, SECONDS.filter(bool), SECONDS, SECONDS),
)


def batch(payload: bytes = b"payload") -> Batch:
    """A batch with this payload."""
    id = BatchId(UUID(int=7), 2, 5)
    crc = zlib.crc32(payload)
    return Batch(id, 1_700_000_000_000, 10_000, 3, "owner", "host", payload, crc, 10, 20, 30)


@given(BATCHES)
def test_a_batch_comes_back(sent: Batch) -> None:
    """Whatever a batch is, the other end has the same."""
    assert sent == messages.decode_batch(messages.encode_batch(sent))


@given(st.lists(ANSWERS, max_size=4))
def test_answers_come_back(sent: list[Answer]) -> None:
    """Whatever is answered, the other end has the same."""
    assert sent == messages.decode_answers(messages.encode_answers(sent))


@given(EPOCHS)
def test_an_epoch_comes_back(sent: Epoch) -> None:
    """Whatever the members are called, the other end has the same."""
    assert sent == messages.decode_epoch(messages.encode_epoch(sent))


@given(st.binary(max_size=100))
def test_noise_is_refused_and_nothing_else(noise: bytes) -> None:
    """Bytes that are no message raise MessageBroken or give a message, never anything else."""
    decoders = (
        messages.decode_batch,
        messages.decode_ids,
        messages.decode_answer,
        messages.decode_answers,
        messages.decode_epoch,
        messages.decode_table,
        messages.decode_adopted,
    )
    for decode in decoders:
        try:
            decode(noise)
        except MessageBroken:
            continue


def with_packed(packed: bytes) -> bytes:
    """A batch's message with this instead of its payload."""
    good = messages.encode_batch(batch())
    payload = next(field for field in fields(good) if field.number == 11)
    return good[: -len(bytes_field(11, payload.data))] + bytes_field(11, packed)


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(zstandard.compress(bytes(MAX_MESSAGE_BYTES + 1)), id="a bomb"),
        pytest.param(
            zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100)),
            id="of unknown size",
        ),
        pytest.param(zstandard.compress(b"ab") + b"more", id="with more behind it"),
        pytest.param(zstandard.compress(b"abcdefgh" * 9)[:-3], id="cut short"),
        pytest.param(b"not packed", id="no zstd"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_payloads_that_do_not_unpack(packed: bytes) -> None:
    """What unpacks to too much, or not at all, is refused before it takes memory."""
    with pytest.raises(MessageBroken, match="payload"):
        messages.decode_batch(with_packed(packed))


async def test_every_call_reaches_the_owner() -> None:
    """Deliver, Confirm, Table and Adopt arrive as they were sent, and so do their answers."""
    async with served() as server:
        peer = GrpcPeer("owner", lambda _: server.address)
        assert HELD == await peer.deliver(batch())
        ids = [batch().id, BatchId(UUID(int=9), 0, 1)]
        assert [DONE, UNKNOWN] == await peer.confirm(ids)
        assert await peer.adopt(Epoch(2, 5000, ("b", "c"), "veneur"))
        assert server.target.table() == await peer.table()
        await peer.close()
    assert [batch()] == server.target.batches
    assert 2 == server.target.table().latest.number


async def test_answers_keep_what_belongs_to_them() -> None:
    """A refusal brings the owner's table, a busy owner the time to wait."""
    table = EpochTable([Epoch(4, 0, ("x", "y"))])
    for answer in (
        Answer(Kind.REFUSED, "owner", table=table),
        Answer(Kind.BUSY, "full", after_s=2.5),
        Answer(Kind.HELD, windows=Windows(21600.0, 600.0, 2.5)),
    ):
        async with served(target=RememberingTarget(answer=answer)) as server:
            peer = GrpcPeer("owner", lambda _, at=server.address: at)  # type: ignore[misc]
            assert answer == await peer.deliver(batch())
            await peer.close()


async def test_a_large_batch() -> None:
    """A payload of a MiB that does not compress gets through."""
    import random

    large = batch(random.Random(1).randbytes(1 << 20))
    async with served() as server:
        peer = GrpcPeer("owner", lambda _: server.address)
        assert HELD == await peer.deliver(large)
        await peer.close()
    assert [large] == server.target.batches


async def test_many_ids_are_asked_in_several_calls() -> None:
    """Confirm has no limit for whoever asks."""
    ids = [BatchId(UUID(int=i), 0, 1) for i in range(2 * messages.MOST_IDS + 1)]
    async with served() as server:
        peer = GrpcPeer("owner", lambda _: server.address)
        assert [UNKNOWN] * len(ids) == await peer.confirm(ids)
        await peer.close()


async def test_a_broken_message_is_answered() -> None:
    """The sender of what is no batch is told, and counted."""
    async with served() as server:
        channel = Channel(server.address)
        with pytest.raises(CallFailed) as failed:
            await channel.call(messages.DELIVER, b"\xff\xff", timeout_s=20)
        await channel.close()
        assert {"malformed": 1} == server.listener.refusals.page()["127.0.0.1"]
    assert Status.INVALID_ARGUMENT is failed.value.status


async def test_a_member_without_an_address() -> None:
    """Whose address is not known is unavailable, and nothing was sent."""
    peer = GrpcPeer("owner", lambda _: None)
    with pytest.raises(PeerUnavailable, match="the address of owner is not known") as failed:
        await peer.deliver(batch())
    assert not failed.value.may_have_been_applied


async def test_a_member_that_moves() -> None:
    """A new address is taken for the next call."""
    async with served() as first, served() as second:
        where = [first.address]
        peer = GrpcPeer("owner", lambda _: where[0])
        await peer.deliver(batch())
        where[0] = second.address
        await peer.deliver(replace(batch(), epoch=9))
        await peer.close()
    assert ([3], [9]) == (
        [b.epoch for b in first.target.batches],
        [b.epoch for b in second.target.batches],
    )
