"""A Veneur as an owner: it takes metrics, and keeps no names of batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from veneurpy.engine.reference_protobuf import BYTES, Malformed, fields
from veneurpy.forward.answer import DONE, Answer, Kind
from veneurpy.forward.batch import Batch, BatchId
from veneurpy.forward.grpc_peer import GrpcPeer, Locate, NotOurs, Wire
from veneurpy.ports import PeerUnavailable
from veneurpy.rpc.status import CallFailed
from veneurpy.rpc.stream import framed
from veneurpy.rpc.tls import ClientTls

SEND_STREAM = "/forwardrpc.Forward/SendMetricsV2"
SEND_LIST = "/forwardrpc.Forward/SendMetrics"

OnDoubt = Literal["drop", "resend"]

_PIECE_BYTES = 64 << 10


class VeneurPeer:
    """A `veneurpy.ports.Peer` that sends a batch's metrics as Veneur's hosts do.

    A Veneur that says OK has applied them: DONE. Where it is not certain, `drop` answers IN_DOUBT
    and `resend` raises, so that the batch is sent again and may count twice.
    """

    def __init__(
        self,
        name: str,
        locate: Locate,
        *,
        on_doubt: OnDoubt = "drop",
        tls: ClientTls | None = None,
        timeout_s: float = 10.0,
    ) -> None:
        self._wire = Wire(name, locate, tls=tls, timeout_s=timeout_s)
        self._on_doubt = on_doubt

    def __repr__(self) -> str:
        return f"VeneurPeer({self._wire!r}, on_doubt={self._on_doubt!r})"

    @property
    def name(self) -> str:
        """The member's name."""
        return self._wire.name

    @property
    def is_forgetful(self) -> bool | None:
        """It keeps no names of batches: what is in doubt must not be sent again with `drop`."""
        return self._on_doubt == "drop"

    async def deliver(self, batch: Batch) -> Answer:
        """DONE, IN_DOUBT, or REJECTED where the payload is none. Raises PeerUnavailable."""
        try:
            pieces = list(as_messages(batch.payload))
        except Malformed:
            return Answer(Kind.REJECTED, "frame")
        channel = await self._wire.channel()
        try:
            await channel.stream(SEND_STREAM, pieces, timeout_s=self._wire.timeout_s)
        except CallFailed as exc:
            if exc.may_have_been_applied and self._on_doubt == "drop":
                return Answer(Kind.IN_DOUBT, "no_answer")
            raise self._wire.unavailable(exc, exc.may_have_been_applied) from exc
        return DONE

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        """Nothing is ever HELD by a Veneur, so that nothing has to be asked."""
        return [DONE] * len(ids)

    async def close(self) -> None:
        """Closes the connection. Idempotent."""
        await self._wire.close()


class EitherPeer:
    """An owner that may be ours or a Veneur, and may change while the fleet is moved.

    Ours is tried first; who does not know our service has applied nothing and is sent the same as
    a Veneur. `is_veneur` says what it was last.
    """

    def __init__(self, ours: GrpcPeer, veneur: VeneurPeer) -> None:
        self._ours = ours
        self._veneur = veneur
        self.is_veneur = self._is_known = False

    def __repr__(self) -> str:
        return f"EitherPeer({self.name!r}, is_veneur={self.is_veneur})"

    @property
    def name(self) -> str:
        """The member's name."""
        return self._ours.name

    @property
    def is_forgetful(self) -> bool | None:
        """As whichever it is."""
        return self._veneur.is_forgetful if self.is_veneur else False if self._is_known else None

    async def deliver(self, batch: Batch) -> Answer:
        """The answer of whichever it is. Raises PeerUnavailable."""
        try:
            answer = await self._ours.deliver(batch)
        except NotOurs:
            self.is_veneur = self._is_known = True
            return await self._veneur.deliver(batch)
        self.is_veneur, self._is_known = False, True
        return answer

    async def confirm(self, ids: Sequence[BatchId]) -> Sequence[Answer]:
        """What ours says. A Veneur in its place knows of none: they are delivered again."""
        try:
            return await self._ours.confirm(ids)
        except NotOurs as exc:
            # What was HELD there is gone with the node that held it.
            self.is_veneur = self._is_known = True
            raise PeerUnavailable(str(exc), may_have_been_applied=False) from exc

    async def close(self) -> None:
        """Closes both connections. Idempotent."""
        await self._ours.close()
        await self._veneur.close()


def as_messages(payload: bytes) -> Iterator[bytes]:
    """A MetricList as gRPC messages of one Metric each, many to a piece. Raises Malformed."""
    piece, size = list[bytes](), 0
    for field in fields(payload):
        if field.number == 1 and field.wire == BYTES:
            piece.append(framed(field.data))
            size += len(field.data)
            if size >= _PIECE_BYTES:
                yield b"".join(piece)
                piece, size = [], 0
    yield b"".join(piece)
