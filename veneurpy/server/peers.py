"""The ways to other nodes, one to each for as long as the process lives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from veneurpy.config import Config
from veneurpy.forward.grpc_peer import GrpcPeer, Locate
from veneurpy.forward.local import LocalPeer
from veneurpy.forward.veneur_peer import EitherPeer, VeneurPeer
from veneurpy.ports import Member, Peer
from veneurpy.rpc.tls import ClientTls, TlsFiles

PeerKind = Literal["auto", "veneurpy", "veneur"]
RemotePeer: TypeAlias = GrpcPeer | VeneurPeer | EitherPeer


class Peers:
    """Call it with a member's name to get the way there."""

    def __init__(
        self,
        config: Config,
        locate: Locate,
        *,
        tls: ClientTls | None,
        kind: PeerKind,
    ) -> None:
        self.own: LocalPeer | None = None
        """This node, if it is an owner."""
        self._kind: PeerKind = kind
        self._on_doubt = config.forward_on_doubt
        self._timeout_s = config.forward_timeout
        self._locate = locate
        self._tls = tls
        self._known: dict[str, RemotePeer] = {}
        self._members: dict[str, GrpcPeer] = {}

    def __repr__(self) -> str:
        return f"Peers({sorted(self._known)}, own={self.own!r})"

    def __call__(self, name: str) -> Peer:
        """The way to a member."""
        if self.own is not None and name == self.own.name:
            return self.own
        if name not in self._known:
            self._known[name] = self._new(name)
        return self._known[name]

    def member(self, name: str) -> Member:
        """The same, to speak about the ring: another connection, so that no batch holds it up."""
        if name not in self._members:
            self._members[name] = self._ours(name)
        return self._members[name]

    def veneurs(self) -> frozenset[str]:
        """Those that are Veneurs, as far as that is known."""
        return frozenset(name for name, peer in self._known.items() if _is_veneur(peer))

    async def close(self) -> None:
        """Closes all connections. Idempotent."""
        for peer in (*self._known.values(), *self._members.values()):
            await peer.close()

    def _new(self, name: str) -> RemotePeer:
        if self._kind == "veneurpy":
            return self._ours(name)
        veneur = VeneurPeer(
            name,
            self._locate,
            on_doubt=self._on_doubt,
            tls=self._tls,
            timeout_s=self._timeout_s,
        )
        return veneur if self._kind == "veneur" else EitherPeer(self._ours(name), veneur)

    def _ours(self, name: str) -> GrpcPeer:
        return GrpcPeer(name, self._locate, tls=self._tls, timeout_s=self._timeout_s)


def client_tls(config: Config, failed: Callable[[str], None]) -> ClientTls | None:
    """What secures the way to others; None in the clear. Raises ConfigError."""
    if config.tls is None:
        return None
    files = config.tls
    shown = TlsFiles(
        certificate=files.cert_file,
        key=files.key_file.reveal(),
        authority=files.ca_file,
        server_name=files.server_name,
    )
    return ClientTls(shown, failed=failed)


def _is_veneur(peer: RemotePeer) -> bool:
    return isinstance(peer, VeneurPeer) or (isinstance(peer, EitherPeer) and peer.is_veneur)
