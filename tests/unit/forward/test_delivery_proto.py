"""docs/delivery.proto is what is really sent: read with the official protobuf runtime."""

from __future__ import annotations

import re
import zlib
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import zstandard
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from veneurpy.forward import messages
from veneurpy.forward.answer import Answer, Kind, Windows
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import Epoch, EpochTable

PROTO = Path(__file__).parents[3] / "docs" / "delivery.proto"
SCALARS = {
    "bytes": descriptor_pb2.FieldDescriptorProto.TYPE_BYTES,
    "string": descriptor_pb2.FieldDescriptorProto.TYPE_STRING,
    "int64": descriptor_pb2.FieldDescriptorProto.TYPE_INT64,
    "bool": descriptor_pb2.FieldDescriptorProto.TYPE_BOOL,
    "fixed32": descriptor_pb2.FieldDescriptorProto.TYPE_FIXED32,
}
ID = BatchId(UUID(int=7), 2, 5)


def described() -> descriptor_pb2.FileDescriptorProto:
    """The file, as far as messages and enumerations go."""
    text = re.sub(r"//.*", "", PROTO.read_text())
    file = descriptor_pb2.FileDescriptorProto(name="d.proto", package="veneurpy", syntax="proto3")
    for name, body in re.findall(r"\benum (\w+) \{([^}]*)\}", text):
        enum = file.enum_type.add(name=name)
        for word, number in re.findall(r"(\w+) = (\d+);", body):
            enum.value.add(name=word, number=int(number))
    enums = {enum.name for enum in file.enum_type}
    for name, body in re.findall(r"\bmessage (\w+) \{([^}]*)\}", text):
        message = file.message_type.add(name=name)
        for repeated, kind, field, number in re.findall(r"(repeated )?(\w+) (\w+) = (\d+);", body):
            added = message.field.add(name=field, number=int(number))
            added.label = added.LABEL_REPEATED if repeated else added.LABEL_OPTIONAL
            if kind in SCALARS:
                added.type = SCALARS[kind]
            else:
                added.type = added.TYPE_ENUM if kind in enums else added.TYPE_MESSAGE
                added.type_name = f".veneurpy.{kind}"
    return file


@pytest.fixture(scope="module")
def official() -> dict[str, Any]:
    """The official message classes by name."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(described())
    found = message_factory.GetMessageClassesForFiles(["d.proto"], pool)
    return {name.removeprefix("veneurpy."): found[name] for name in found}


def test_a_batch(official: dict[str, Any]) -> None:
    """The official runtime reads our batch, and we read the one it writes."""
    ours = Batch(ID, -5, 10_000, 3, "o", "s", b"pay", zlib.crc32(b"pay"), 10, 20, 30)
    read = official["BatchMessage"].FromString(messages.encode_batch(ours))
    assert (ID.uuid.bytes, 2, 5) == (read.id.uuid, read.id.part, read.id.of)
    assert (-5, 10_000, 3, "o", "s") == (
        *(read.start_ms, read.length_ms, read.epoch, read.owner, read.sender),
    )
    assert (ours.crc, 10, 20, 30) == (read.crc, read.series, read.samples, read.sent_ms)
    assert b"pay" == zstandard.decompress(read.payload)
    assert ours == messages.decode_batch(read.SerializeToString())


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.IN_DOUBT])
def test_an_answer(official: dict[str, Any], kind: Kind) -> None:
    """Every answer that an owner gives has the number that the file gives it."""
    table = EpochTable([Epoch(4, 9000, ("x", "y"), "veneur")])
    ours = Answer(kind, "reason", 2.5, table, Windows(60.0, 6.0, 2.0))
    read = official["AnswerMessage"].FromString(messages.encode_answer(ours))
    words = described().enum_type[0].value
    assert kind.name == next(word.name for word in words if word.number == read.kind)
    (epoch,) = read.table.epochs
    assert ("reason", 2500, 60_000) == (read.reason, read.after_ms, read.window_ms)
    assert (6000, 2000) == (read.late_window_ms, read.hold_ms)
    assert (4, 9000, ["x", "y"], "veneur") == (
        *(epoch.number, epoch.from_ms, list(epoch.members), epoch.hash),
    )
    assert ours == messages.decode_answer(read.SerializeToString())


def test_the_questions(official: dict[str, Any]) -> None:
    """Confirm and Adopt likewise."""
    asked = official["ConfirmMessage"].FromString(messages.encode_ids([ID]))
    assert [ID] == messages.decode_ids(asked.SerializeToString())
    adopted = official["AdoptedMessage"].FromString(messages.encode_adopted(True))
    assert adopted.adopted
    assert messages.decode_adopted(adopted.SerializeToString())


def test_the_methods() -> None:
    """The file names the methods that are called."""
    methods = re.findall(r"rpc (\w+)\(", PROTO.read_text())
    called = (messages.DELIVER, messages.CONFIRM, messages.TABLE, messages.ADOPT)
    assert [f"/veneurpy.Delivery/{method}" for method in methods] == list(called)
