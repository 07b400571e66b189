"""TLS and mutual TLS, and certificates that change while the node runs."""

from __future__ import annotations

import os
from pathlib import Path

import grpc
import pytest
import trustme

from tests.grpc_target import served
from veneurpy.errors import ConfigError
from veneurpy.rpc.client import Channel
from veneurpy.rpc.status import CallFailed
from veneurpy.rpc.tls import ClientTls, ServerTls, TlsFiles

LIST = "/forwardrpc.Forward/SendMetrics"
TIMEOUT_S = 20.0


class Files:
    """A certificate, its key and its authority, as files and as text."""

    def __init__(self, folder: Path, authority: trustme.CA, *names: str) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.certificate, self.key, self.authority = (
            folder / name for name in ("certificate.pem", "key.pem", "authority.pem")
        )
        self.issue(authority, *names)

    def issue(self, authority: trustme.CA, *names: str) -> None:
        """Puts a new certificate there."""
        issued = authority.issue_cert(*names)
        issued.cert_chain_pems[0].write_to_path(str(self.certificate))
        issued.private_key_pem.write_to_path(str(self.key))
        authority.cert_pem.write_to_path(str(self.authority))

    def paths(self, *, authority: bool = True, server_name: str = "") -> TlsFiles:
        """As paths."""
        trusted = str(self.authority) if authority else ""
        return TlsFiles(str(self.certificate), str(self.key), trusted, server_name)

    def texts(self) -> TlsFiles:
        """As PEM texts, as Veneur's keys have them."""
        files = (self.certificate, self.key, self.authority)
        return TlsFiles(*(path.read_text() for path in files))


def fail(text: str) -> None:
    """Told of changed files that cannot be used, where there are none."""
    raise AssertionError(text)


def client(files: TlsFiles) -> ClientTls:
    return ClientTls(files, failed=fail)


def server(files: TlsFiles) -> ServerTls:
    return ServerTls(files, failed=fail)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ours(tmp_path: Path, authority: trustme.CA) -> Files:
    return Files(tmp_path / "ours", authority, "localhost", "127.0.0.1")


@pytest.fixture
def theirs(tmp_path: Path, authority: trustme.CA) -> Files:
    return Files(tmp_path / "theirs", authority, "host-7.example")


async def call(address: str, tls: ClientTls | None) -> None:
    """One call on a connection of its own. Raises CallFailed."""
    channel = Channel(address, tls=tls)
    try:
        assert b"" == await channel.call(LIST, b"x", timeout_s=TIMEOUT_S)
    finally:
        await channel.close()


async def test_a_call_over_tls(ours: Files) -> None:
    """A client that trusts the authority gets through; one that does not does not."""
    only_authority = TlsFiles(authority=str(ours.authority))
    async with served(tls=server(ours.paths(authority=False))) as node:
        await call(node.address, client(only_authority))
        with pytest.raises(CallFailed) as failed:
            await call(node.address, client(TlsFiles()))
    assert not failed.value.may_have_been_applied


async def test_mutual_tls_names_the_sender(ours: Files, theirs: Files) -> None:
    """With an authority a certificate is asked for, and its name is the sender's."""
    async with served(tls=server(ours.paths())) as node:
        await call(node.address, client(theirs.paths()))
        channel = Channel(node.address, tls=client(theirs.texts()))
        await channel.stream("/forwardrpc.Forward/SendMetricsV2", [b"\0" * 5], timeout_s=TIMEOUT_S)
        await channel.close()
    assert {"host-7.example"} == node.target.senders


@pytest.mark.parametrize("shown", ["none", "of another authority", "not TLS at all"])
async def test_mutual_tls_refuses_strangers(
    tmp_path: Path, ours: Files, theirs: Files, shown: str
) -> None:
    """Without a certificate of that authority nothing is taken, and it is counted."""
    other = Files(tmp_path / "other", trustme.CA(), "host-8.example")
    tls = {
        "none": client(TlsFiles(authority=str(ours.authority))),
        "of another authority": client(
            TlsFiles(str(other.certificate), str(other.key), str(ours.authority))
        ),
        "not TLS at all": None,
    }[shown]
    async with served(tls=server(ours.paths())) as node:
        with pytest.raises(CallFailed) as failed:
            await call(node.address, tls)
        assert not failed.value.may_have_been_applied
        await call(node.address, client(theirs.paths()))
    assert ["x"] == [payload.decode() for payload in node.target.lists]
    assert {"handshake": 1} == node.listener.refusals.page()["127.0.0.1"]


async def test_an_official_client_over_tls(ours: Files, theirs: Files) -> None:
    """grpcio's client agrees on HTTP/2 by ALPN and shows its certificate."""
    credentials = grpc.ssl_channel_credentials(
        ours.authority.read_bytes(), theirs.key.read_bytes(), theirs.certificate.read_bytes()
    )
    async with (
        served(tls=server(ours.paths())) as node,
        grpc.aio.secure_channel(node.address, credentials) as channel,
    ):
        assert b"" == await channel.unary_unary(LIST)(b"x", timeout=TIMEOUT_S)


async def test_a_name_that_is_not_the_address(tmp_path: Path, authority: trustme.CA) -> None:
    """`server_name` is what the server's certificate must have instead of the address."""
    named = Files(tmp_path / "named", authority, "global.example")
    trusted = str(named.authority)
    async with served(tls=server(named.paths(authority=False))) as node:
        await call(node.address, client(TlsFiles(authority=trusted, server_name="global.example")))
        with pytest.raises(CallFailed):
            await call(node.address, client(TlsFiles(authority=trusted)))


async def test_certificates_are_reloaded(ours: Files) -> None:
    """After the files have changed, new connections are made with the new certificate."""
    tls = server(ours.paths(authority=False))
    async with served(tls=tls) as node:
        await call(node.address, client(TlsFiles(authority=str(ours.authority))))
        renewed = trustme.CA()
        ours.issue(renewed, "127.0.0.1")
        await call(node.address, client(TlsFiles(authority=str(ours.authority))))


async def test_a_half_written_pair_leaves_the_old_one(ours: Files, authority: trustme.CA) -> None:
    """Files that do not belong together are told, and what was in use stays."""
    told: list[str] = []
    tls = ServerTls(ours.paths(authority=False), failed=told.append)
    trusted = TlsFiles(authority=str(ours.authority))
    async with served(tls=tls) as node:
        authority.issue_cert("x").private_key_pem.write_to_path(str(ours.key))
        await call(node.address, client(trusted))
        await call(node.address, client(trusted))
    assert 1 == len(told)


def test_files_that_are_missing(tmp_path: Path) -> None:
    """At the start it is a mistake of the configuration."""
    missing = TlsFiles(os.fspath(tmp_path / "no"), os.fspath(tmp_path / "no"))
    with pytest.raises(ConfigError, match=rf"^grpc_tls: {tmp_path}/no cannot be read \(No such"):
        server(missing)
    with pytest.raises(ConfigError, match=rf"^tls: {tmp_path}/no cannot be read \(No such"):
        client(TlsFiles(authority=os.fspath(tmp_path / "no")))
    with pytest.raises(ConfigError, match="needs its key"):
        client(TlsFiles(certificate=os.fspath(tmp_path / "no")))


def test_what_cannot_be_used_is_named(ours: Files) -> None:
    """The mistake says which file it is about, at either end."""
    certificate, key = str(ours.certificate), str(ours.key)
    for end in (server, client):
        with pytest.raises(ConfigError, match=f"the authority {key} is no certificate in PEM"):
            end(TlsFiles(certificate, key, key))
        with pytest.raises(ConfigError, match=r"/no cannot be read \(No such file"):
            end(TlsFiles(certificate, key, f"{ours.folder}/no"))
        pair = f"the certificate {certificate} and the key {certificate} are not"
        with pytest.raises(ConfigError, match=pair):
            end(TlsFiles(certificate, certificate))
