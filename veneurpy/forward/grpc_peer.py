"""Another node of ours, by gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar

from veneurpy.forward import messages
from veneurpy.forward.answer import Answer
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.epochs import Epoch, EpochTable
from veneurpy.forward.messages import MessageBroken
from veneurpy.ports import PeerUnavailable
from veneurpy.rpc.client import Channel
from veneurpy.rpc.status import CallFailed, Status
from veneurpy.rpc.tls import ClientTls

_T = TypeVar("_T")

Locate = Callable[[str], str | None]
"""The address of a member by its name, as discovery knows it now."""


class NotOurs(PeerUnavailable):
    """The other end does not know our service and has applied nothing: a Veneur."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is no veneurpy", may_have_been_applied=False)


class Wire:
    """Calls to a member wherever it is now; a new address means a new connection."""

    def __init__(
        self, name: str, locate: Locate, *, tls: ClientTls | None = None, timeout_s: float = 10.0
    ) -> None:
        self.name = name
        self.timeout_s = timeout_s
        self._locate = locate
        self._tls = tls
        self._address = ""
        self._channel: Channel | None = None

    def __repr__(self) -> str:
        return f"Wire({self.name!r} at {self._address!r})"

    async def channel(self) -> Channel:
        """The channel to the present address. Raises PeerUnavailable where there is none."""
        address = self._locate(self.name)
        if not address:
            raise PeerUnavailable(
                f"the address of {self.name} is not known", may_have_been_applied=False
            )
        if self._channel is None or address != self._address:
            await self.close()
            self._address, self._channel = address, Channel(address, tls=self._tls)
        return self._channel

    async def call(self, path: str, message: bytes) -> bytes:
        """The answer to a unary call. Raises PeerUnavailable, NotOurs."""
        channel = await self.channel()
        try:
            return await channel.call(path, message, timeout_s=self.timeout_s)
        except CallFailed as exc:
            if exc.status is Status.UNIMPLEMENTED and not exc.may_have_been_applied:
                raise NotOurs(self.name) from exc
            raise self.unavailable(exc, exc.may_have_been_applied) from exc

    def unavailable(self, exc: Exception, may_have_been_applied: bool) -> PeerUnavailable:
        """What is raised for a call that failed, with the member's name in it."""
        where = f"{self.name} ({self._address})"
        return PeerUnavailable(f"{where}: {exc}", may_have_been_applied=may_have_been_applied)

    async def close(self) -> None:
        """Closes the connection. Idempotent; a later call opens another."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None


class GrpcPeer:
    """A `veneurpy.ports.Member`. Raises NotOurs where a Veneur answers."""

    def __init__(
        self, name: str, locate: Locate, *, tls: ClientTls | None = None, timeout_s: float = 10.0
    ) -> None:
        self._wire = Wire(name, locate, tls=tls, timeout_s=timeout_s)

    def __repr__(self) -> str:
        return f"GrpcPeer({self._wire!r})"

    @property
    def name(self) -> str:
        """The member's name."""
        return self._wire.name

    @property
    def is_forgetful(self) -> bool | None:
        """It keeps the names of batches."""
        return False

    async def deliver(self, batch: Batch) -> Answer:
        """The owner's answer to a batch."""
        message = await asyncio.to_thread(messages.encode_batch, batch)
        return self._read(messages.decode_answer, await self._wire.call(messages.DELIVER, message))

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        """What became of batches, in their order."""
        answers: list[Answer] = []
        for at in range(0, len(ids), messages.MOST_IDS):
            some = ids[at : at + messages.MOST_IDS]
            said = await self._wire.call(messages.CONFIRM, messages.encode_ids(some))
            answers += self._read(messages.decode_answers, said)
        if len(answers) != len(ids):
            raise PeerUnavailable(
                f"{self.name} answered {len(answers)} of {len(ids)}", may_have_been_applied=True
            )
        return answers

    async def table(self) -> EpochTable:
        """The member lists it goes by."""
        return self._read(messages.decode_table, await self._wire.call(messages.TABLE, b""))

    async def adopt(self, epoch: Epoch) -> bool:
        """Whether it goes by this list from now on."""
        said = await self._wire.call(messages.ADOPT, messages.encode_epoch(epoch))
        return self._read(messages.decode_adopted, said)

    async def close(self) -> None:
        """Closes the connection. Idempotent."""
        await self._wire.close()

    def _read(self, decode: Callable[[bytes], _T], message: bytes) -> _T:
        try:
            return decode(message)
        except MessageBroken as exc:
            raise self._wire.unavailable(exc, may_have_been_applied=True) from exc
