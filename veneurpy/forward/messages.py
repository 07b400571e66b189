"""The messages of the service `veneurpy.Delivery`, as docs/delivery.proto describes them.

Written out by hand: there are few of them, and the payload passes through as bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast
from uuid import UUID

import zstandard

from veneurpy.engine.exchange import MAX_MESSAGE_BYTES
from veneurpy.engine.reference_protobuf import (
    BYTES,
    FIXED32,
    VARINT,
    Field,
    Malformed,
    bytes_field,
    fields,
    signed,
    varint,
    varint_field,
)
from veneurpy.forward.answer import Answer, Kind, Windows
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import Epoch, EpochInvalid, EpochTable, RingHash

DELIVER = "/veneurpy.Delivery/Deliver"
CONFIRM = "/veneurpy.Delivery/Confirm"
TABLE = "/veneurpy.Delivery/Table"
ADOPT = "/veneurpy.Delivery/Adopt"

MOST_IDS = 4096
"""How many batches one Confirm may ask about."""

_KINDS = tuple(Kind)  # a kind's number on the wire is its place in the enumeration, from 1
_WINDOWS = (4, 6, 7)
"""The fields of an answer that tell them."""
_LEVEL = 1
_LARGEST_WINDOW = 8 << 20


class MessageBroken(ValueError):
    """The bytes are no such message; the text says why."""


def encode_batch(batch: Batch) -> bytes:
    """A BatchMessage, its payload compressed. Takes a millisecond or more: off the event loop."""
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(batch.payload)
    return b"".join(
        (
            bytes_field(1, _id(batch.id)),
            varint_field(2, batch.start_ms),
            varint_field(3, batch.length_ms),
            varint_field(4, batch.epoch),
            bytes_field(5, batch.owner.encode()),
            bytes_field(6, batch.sender.encode()),
            varint(7 << 3 | FIXED32) + batch.crc.to_bytes(4, "little"),
            varint_field(8, batch.series),
            varint_field(9, batch.samples),
            varint_field(10, batch.sent_ms),
            bytes_field(11, packed),
        )
    )


def decode_batch(message: bytes) -> Batch:
    """A Batch back. Raises MessageBroken, also for a payload that unpacks to too much."""
    found = _Message(message)
    return Batch(
        id=_read_id(found.raw(1)),
        start_ms=found.integer(2),
        length_ms=found.integer(3),
        epoch=found.integer(4),
        owner=found.text(5),
        sender=found.text(6),
        payload=_unpack(found.raw(11)),
        crc=found.fixed32(7),
        series=found.integer(8),
        samples=found.integer(9),
        sent_ms=found.integer(10),
    )


def encode_ids(ids: Iterable[BatchId]) -> bytes:
    """A ConfirmMessage."""
    return b"".join(bytes_field(1, _id(id)) for id in ids)


def decode_ids(message: bytes) -> list[BatchId]:
    """The ids back. Raises MessageBroken."""
    ids = [_read_id(each) for each in _Message(message).every(1)]
    if len(ids) > MOST_IDS:
        raise MessageBroken(f"more than {MOST_IDS} batches")
    return ids


def encode_answer(answer: Answer) -> bytes:
    """An AnswerMessage."""
    return b"".join(
        (
            varint_field(1, _KINDS.index(answer.kind) + 1),
            bytes_field(2, answer.reason.encode()),
            varint_field(3, round(answer.after_s * 1000)),
            bytes_field(5, encode_table(answer.table)) if answer.table else b"",
            _windows(answer.windows) if answer.windows else b"",
        )
    )


def decode_answer(message: bytes) -> Answer:
    """An Answer back. Raises MessageBroken."""
    found = _Message(message)
    number = found.integer(1)
    if not 1 <= number <= len(_KINDS):
        raise MessageBroken(f"answer {number}")
    table = found.every(5)
    return Answer(
        kind=_KINDS[number - 1],
        reason=found.text(2),
        after_s=found.integer(3) / 1000,
        table=decode_table(table[-1]) if table else None,
        windows=_read_windows(found),
    )


def _windows(windows: Windows) -> bytes:
    told = (windows.accept_s, windows.late_s, windows.hold_s)
    return b"".join(
        varint_field(number, round(told_s * 1000))
        for number, told_s in zip(_WINDOWS, told, strict=True)
    )


def _read_windows(found: _Message) -> Windows | None:
    accept_s, late_s, hold_s = (found.integer(number) / 1000 for number in _WINDOWS)
    return Windows(accept_s, late_s, hold_s) if accept_s else None


def encode_answers(answers: Iterable[Answer]) -> bytes:
    """An AnswersMessage."""
    return b"".join(bytes_field(1, encode_answer(answer)) for answer in answers)


def decode_answers(message: bytes) -> Sequence[Answer]:
    """The answers back. Raises MessageBroken."""
    return [decode_answer(each) for each in _Message(message).every(1)]


def encode_epoch(epoch: Epoch) -> bytes:
    """An EpochMessage."""
    return b"".join(
        (
            varint_field(1, epoch.number),
            varint_field(2, epoch.from_ms),
            *(bytes_field(3, member.encode()) for member in epoch.members),
            bytes_field(4, epoch.hash.encode()),
        )
    )


def decode_epoch(message: bytes) -> Epoch:
    """An Epoch back. Raises MessageBroken."""
    found = _Message(message)
    kind = found.text(4)
    if kind not in ("rendezvous", "veneur"):
        raise MessageBroken(f"hash {kind!r}")
    members = tuple(_text(member) for member in found.every(3))
    return Epoch(found.integer(1), found.integer(2), members, cast(RingHash, kind))


def encode_table(table: EpochTable) -> bytes:
    """A TableMessage."""
    return b"".join(bytes_field(1, encode_epoch(epoch)) for epoch in table.epochs)


def decode_table(message: bytes) -> EpochTable:
    """The table back. Raises MessageBroken."""
    try:
        return EpochTable(decode_epoch(each) for each in _Message(message).every(1))
    except EpochInvalid as exc:
        raise MessageBroken(str(exc)) from exc


def encode_adopted(is_adopted: bool) -> bytes:
    """An AdoptedMessage."""
    return varint_field(1, int(is_adopted))


def decode_adopted(message: bytes) -> bool:
    """Whether the list was adopted. Raises MessageBroken."""
    return _Message(message).integer(1) == 1


class _Message:
    """The fields of a message by number; of what is missing the empty value."""

    def __init__(self, message: bytes) -> None:
        self._fields: dict[int, list[Field]] = {}
        try:
            for field in fields(message):
                self._fields.setdefault(field.number, []).append(field)
        except Malformed as exc:
            raise MessageBroken(str(exc)) from exc

    def every(self, number: int) -> list[bytes]:
        return [field.data for field in self._of(number, BYTES)]

    def raw(self, number: int) -> bytes:
        found = self.every(number)
        return found[-1] if found else b""

    def text(self, number: int) -> str:
        return _text(self.raw(number))

    def integer(self, number: int) -> int:
        found = self._of(number, VARINT)
        return signed(found[-1].varint) if found else 0

    def fixed32(self, number: int) -> int:
        found = self._of(number, FIXED32)
        return int.from_bytes(found[-1].data, "little") if found else 0

    def _of(self, number: int, wire: int) -> list[Field]:
        return [field for field in self._fields.get(number, ()) if field.wire == wire]


def _text(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as exc:
        raise MessageBroken("a name that is no UTF-8") from exc


def _id(id: BatchId) -> bytes:
    return bytes_field(1, id.uuid.bytes) + varint_field(2, id.part) + varint_field(3, id.of)


def _read_id(message: bytes) -> BatchId:
    found = _Message(message)
    uuid = found.raw(1)
    if len(uuid) != 16:
        raise MessageBroken("a batch without an identity")
    return BatchId(UUID(bytes=uuid), found.integer(2), found.integer(3))


def _unpack(packed: bytes) -> bytes:
    """The payload, whose length its frame must tell: that is checked before any is made."""
    try:
        size = zstandard.get_frame_parameters(packed).content_size
        if size > MAX_MESSAGE_BYTES:  # also where it is not told
            raise MessageBroken("a payload that unpacks to too much")
        unpacker = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
        return unpacker.decompress(packed, allow_extra_data=False)
    except zstandard.ZstdError as exc:
        raise MessageBroken("a payload that cannot be unpacked") from exc
