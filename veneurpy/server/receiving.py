"""The gRPC listener of a node, as it is configured."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from veneurpy.config import Config, HostPort
from veneurpy.listeners.grpc_import import GrpcImportListener
from veneurpy.ports import ImportTarget
from veneurpy.rpc.tls import ServerTls, TlsFiles
from veneurpy.telemetry import Telemetry


class Receiving:
    """`start` it, `stop` it."""

    def __init__(
        self,
        config: Config,
        target: ImportTarget,
        *,
        telemetry: Telemetry,
        is_healthy: Callable[[], bool],
        failed: Callable[[str], None],
        members: Callable[[], Collection[str]],
    ) -> None:
        """`members` are those of every ring that is known.

        Raises ConfigError for certificates that cannot be used.
        """
        tls = config.grpc_tls
        named = () if tls is None else tls.relays
        assert config.grpc_address is not None
        self._address = config.grpc_address
        self._is_running = False
        self._listener = GrpcImportListener(
            str(self._address),
            target,
            telemetry=telemetry,
            is_healthy=is_healthy,
            tls=server_tls(config, failed),
            # Owners, to which hosts send for one another, and proxies.
            relays=lambda: {*named, *members()},
            ring_admins=() if tls is None else tls.ring_admins,
        )

    def __repr__(self) -> str:
        return f"Receiving({self._address}, {self._listener!r})"

    async def start(self) -> None:
        """Listens. Raises ListenError."""
        port = await self._listener.start()
        self._address = HostPort(self._address.host, port)
        self._is_running = True

    async def stop(self, timeout_s: float) -> None:
        """Lets calls that run end for so long. Idempotent."""
        if self._is_running:
            self._is_running = False
            await self._listener.stop(timeout_s)

    def status(self) -> dict[str, Any]:
        """Plain data for the status page."""
        return {"address": str(self._address), "connections": self._listener.connections}


def server_tls(config: Config, failed: Callable[[str], None]) -> ServerTls | None:
    """What secures the listener; None in the clear. Raises ConfigError."""
    if config.grpc_tls is None:
        return None
    files = config.grpc_tls
    shown = TlsFiles(
        certificate=files.certificate, key=files.key.reveal(), authority=files.authority
    )
    return ServerTls(shown, failed=failed)
