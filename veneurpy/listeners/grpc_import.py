"""What other nodes send: batches of ours, metrics of Veneur's, and questions after our health."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager

from veneurpy.engine.exchange import MAX_MESSAGE_BYTES
from veneurpy.forward import messages
from veneurpy.forward.answer import Answer, Kind
from veneurpy.forward.epochs import EpochInvalid
from veneurpy.forward.messages import MessageBroken
from veneurpy.listeners._health import HEALTH_CHECK, health_check
from veneurpy.listeners._refusals import Refusals
from veneurpy.listeners._ring_admins import RingAdmins
from veneurpy.listeners._speakers import Speakers
from veneurpy.ports import ImportRefused, ImportTarget, PeerUnavailable
from veneurpy.rpc import address
from veneurpy.rpc.call import Call, Handler
from veneurpy.rpc.limits import Limits
from veneurpy.rpc.server import RpcServer
from veneurpy.rpc.status import RpcError, Status
from veneurpy.rpc.stream import message_length
from veneurpy.rpc.tls import ServerTls
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.events import AcceptFailed, CallCrashed, GrpcListening

EMPTY = b""
"""google.protobuf.Empty."""

_SERVICES = {"", "veneur", "veneurpy.Delivery", "forwardrpc.Forward"}


class GrpcImportListener:
    """Serves `target` by gRPC on `host_port`, in the clear or with TLS."""

    def __init__(
        self,
        host_port: str,
        target: ImportTarget,
        *,
        telemetry: Telemetry,
        is_healthy: Callable[[], bool],
        tls: ServerTls | None = None,
        limits: Limits | None = None,
        relays: Callable[[], Iterable[str]] = tuple,
        ring_admins: Collection[str] = (),
    ) -> None:
        """Whose certificate has one of the names in `relays` may send in anybody's name.

        Of those in `ring_admins`: may change the ring; everybody may if it is empty.
        """
        self.refusals = Refusals(telemetry)
        self._host_port = host_port
        self._telemetry = telemetry
        self._is_secured = tls is not None
        self._server = RpcServer(
            _methods(
                target,
                is_healthy,
                Speakers(relays, telemetry),
                RingAdmins(ring_admins, telemetry),
            ),
            limits=limits or Limits(max_message_bytes=MAX_MESSAGE_BYTES + (64 << 10)),
            refused=self.refusals.count,
            failed=lambda sender, exc: telemetry.emit(CallCrashed(sender, repr(exc))),
            not_accepted=lambda why: telemetry.emit(AcceptFailed(f"grpc://{host_port}", why)),
            tls=tls,
        )

    def __repr__(self) -> str:
        return f"GrpcImportListener({self._host_port!r}, {self._server!r})"

    @property
    def connections(self) -> int:
        """How many senders are connected."""
        return len(self._server.connections)

    async def start(self) -> int:
        """Listens; returns the port. Raises ListenError, with the way to mend it."""
        opened = await asyncio.to_thread(address.listen, self._host_port, key="grpc_address")
        self._server.start(opened)
        port = int(opened.getsockname()[1])
        self._telemetry.emit(GrpcListening(self._host_port, port, self._is_secured))
        return port

    async def stop(self, timeout_s: float) -> None:
        """Takes no more calls, lets those that run end for so long, closes."""
        await self._server.stop(timeout_s)


def _methods(
    target: ImportTarget, is_healthy: Callable[[], bool], speakers: Speakers, admins: RingAdmins
) -> dict[str, Handler]:
    own, veneur = _Delivery(target, speakers, admins), _Forward(target)

    return {
        messages.DELIVER: own.deliver,
        messages.CONFIRM: own.confirm,
        messages.TABLE: own.table,
        messages.ADOPT: own.adopt,
        "/forwardrpc.Forward/SendMetrics": veneur.send_list,
        "/forwardrpc.Forward/SendMetricsV2": veneur.send_stream,
        HEALTH_CHECK: health_check(_SERVICES, is_healthy),
    }


@contextmanager
def _translated() -> Iterator[None]:
    """Says why a call came to nothing as gRPC says it."""
    try:
        yield
    except (MessageBroken, EpochInvalid) as exc:
        raise RpcError(Status.INVALID_ARGUMENT, str(exc)) from exc
    except PeerUnavailable as exc:
        raise RpcError(Status.UNAVAILABLE, str(exc)) from exc


class _Delivery:
    """The service `veneurpy.Delivery`."""

    def __init__(self, target: ImportTarget, speakers: Speakers, admins: RingAdmins) -> None:
        self._target = target
        self._speakers = speakers
        self._admins = admins

    async def deliver(self, call: Call) -> bytes:
        message = await call.message()
        with _translated():
            batch = messages.decode_batch(message)
            if not self._speakers.allow(call.names, batch.sender):
                return messages.encode_answer(Answer(Kind.REFUSED, "sender"))
            answer = await self._target.deliver(batch)
        return messages.encode_answer(answer)

    async def confirm(self, call: Call) -> bytes:
        message = await call.message()
        with _translated():
            answers = await self._target.confirm(messages.decode_ids(message))
        return messages.encode_answers(answers)

    async def table(self, call: Call) -> bytes:
        await call.message()
        return messages.encode_table(self._target.table())

    async def adopt(self, call: Call) -> bytes:
        message = await call.message()
        if not self._admins.allow(call.names, call.sender):
            raise RpcError(Status.PERMISSION_DENIED, "no name of the certificate is in ring_admins")
        with _translated():
            adopted = await self._target.adopt(messages.decode_epoch(message))
        return messages.encode_adopted(adopted)


class _Forward:
    """Veneur's service `forwardrpc.Forward`."""

    def __init__(self, target: ImportTarget) -> None:
        self._target = target

    async def send_list(self, call: Call) -> bytes:
        payload = await call.message()
        try:
            await self._target.take_list(payload, sender=call.sender)
        except ImportRefused as exc:
            raise _refusal(exc) from exc
        return EMPTY

    async def send_stream(self, call: Call) -> bytes:
        rest = b""
        while piece := await call.stream.read():
            data = rest + piece if rest else piece
            message_length(data, 0, call.limits.max_message_bytes)
            try:
                taken = await self._target.take_veneur(data, sender=call.sender)
            except ImportRefused as exc:
                raise _refusal(exc) from exc
            rest = data[taken:]
            message_length(rest, 0, call.limits.max_message_bytes)
        if rest:
            raise RpcError(Status.INVALID_ARGUMENT, "the last message is cut short")
        return EMPTY


def _refusal(exc: ImportRefused) -> RpcError:
    status = Status.UNAVAILABLE if exc.is_full else Status.INVALID_ARGUMENT
    return RpcError(status, exc.reason)
