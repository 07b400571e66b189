"""TLS: who is let in, and certificates that change while the node runs."""

from __future__ import annotations

import asyncio
import datetime
import os
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme
import uvloop

from tests.engines import needs_native
from tests.recording import Recorder
from tests.unit.listeners.rig import EngineRig, Rig, connect
from veneurpy.errors import ListenError
from veneurpy.listeners._connection import TLS_SLACK_BYTES, TlsConnection
from veneurpy.listeners._hub import Hub, StreamLimits
from veneurpy.listeners._origin import NOBODY
from veneurpy.listeners._tls import TlsFiles, TlsSource
from veneurpy.listeners.stream import DATES_LOOKED_AT, TlsConnector
from veneurpy.ports import Listener
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.metrics import STREAM_CONNECTIONS, STREAM_CONNECTS
from veneurpy.testing import FakeClock

PACE_S = 0.005
LAST_YEAR = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=365)


@dataclass
class Peers:
    """Certificates of both sides."""

    authority: trustme.CA
    other: trustme.CA
    server: trustme.LeafCert

    def context(self, client: trustme.LeafCert | None) -> ssl.SSLContext:
        """A client's, which shows a certificate or none."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        if client is not None:
            client.configure_cert(context)
        return context

    @property
    def authority_pem(self) -> str:
        return self.authority.cert_pem.bytes().decode()


@pytest.fixture(scope="module")
def peers() -> Peers:
    authority = trustme.CA()
    return Peers(authority, trustme.CA(), authority.issue_cert("localhost", "127.0.0.1"))


def pem(certificate: trustme.LeafCert) -> dict[str, str]:
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    return {
        "tls_certificate": chain.decode(),
        "tls_key": certificate.private_key_pem.bytes().decode(),
    }


async def speak(listener: Listener, context: ssl.SSLContext | None, text: bytes) -> None:
    """Connects, says it and waits until the listener has closed or taken it."""

    def session() -> None:
        with connect(listener, context) as peer:
            peer.sendall(text)
            peer.unwrap() if isinstance(peer, ssl.SSLSocket) else peer.shutdown(1)

    await asyncio.to_thread(session)


Client = Callable[[Peers], ssl.SSLContext | None]
CLIENTS: dict[str, Client] = {
    "plain": lambda peers: None,
    "no certificate": lambda peers: peers.context(None),
    "other authority": lambda peers: peers.context(peers.other.issue_cert("client")),
    "right authority": lambda peers: peers.context(peers.authority.issue_cert("client")),
    "expired": lambda peers: peers.context(
        peers.authority.issue_cert("client", not_after=LAST_YEAR)
    ),
    "wrong name": lambda peers: peers.context(peers.authority.issue_cert("stranger")),
}
SERVERS: dict[str, set[str]] = {
    "plain": {"plain"},
    "tls": {"no certificate", "other authority", "right authority", "expired", "wrong name"},
    "client certificates": {"right authority", "wrong name"},
    "names": {"right authority"},
}


def settings_of(server: str, peers: Peers) -> dict[str, object]:
    settings: dict[str, object] = {}
    if server != "plain":
        settings |= pem(peers.server)
    if server in ("client certificates", "names"):
        settings["tls_authority_certificate"] = peers.authority_pem
    if server == "names":
        settings["tls_allowed_names"] = ("client",)
    return settings


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("server", SERVERS)
async def test_acceptance(transports: Rig, peers: Peers, server: str, client: str) -> None:
    """Who gets a line in: by what the server asks for and what the client shows."""
    listener = await transports.listen("tcp://127.0.0.1:0", **settings_of(server, peers))
    speaking = asyncio.create_task(speak(listener, CLIENTS[client](peers), b"a:1|c\n"))
    if server == "plain" and client != "plain":
        # Such a server waits for the end of the line, and the client for an answer.
        await transports.until_value(STREAM_CONNECTIONS, 1, listener=listener.name)
        await listener.stop(0)
    try:
        await speaking
    except (OSError, ssl.SSLError):
        # A client may be told at the handshake, or only when it writes.
        assert client not in SERVERS[server]
    if client in SERVERS[server]:
        await transports.until(lambda a: a.accepted == 1)
    await listener.stop(5)
    assert (client in SERVERS[server]) == transports.close_interval().accepted


async def test_certificates_are_reloaded(transports: Rig, peers: Peers, tmp_path: Path) -> None:
    """New connections get what the files have now; those that are open go on."""
    certificate, key = tmp_path / "tls.pem", tmp_path / "tls.key"

    def install(cert: trustme.LeafCert) -> None:
        found = pem(cert)
        certificate.write_text(found["tls_certificate"])
        key.write_text(found["tls_key"])

    def shown() -> bytes:
        with connect(listener, peers.context(None)) as peer:
            assert isinstance(peer, ssl.SSLSocket)
            return peer.getpeercert(binary_form=True) or b""

    install(peers.server)
    listener = await transports.listen(
        "tls://127.0.0.1:0", tls_certificate=str(certificate), tls_key=str(key)
    )
    old = await asyncio.to_thread(connect, listener, peers.context(None))
    before = await asyncio.to_thread(shown)
    install(peers.authority.issue_cert("localhost"))
    await transports.clock.run(2)
    after = await asyncio.to_thread(shown)
    assert before != after
    certificate.write_text("-----BEGIN nonsense")
    await transports.clock.run(2)
    assert after == await asyncio.to_thread(shown)
    old.sendall(b"a:1|c\n")
    await transports.until(lambda a: a.accepted == 1)
    old.close()
    assert 1 == len(transports.log.of("certificates_reloaded"))
    assert 1 == len(transports.log.of("certificates_unusable"))
    assert 4 == transports.telemetry.value(STREAM_CONNECTS, listener=listener.name)


@pytest.mark.parametrize("asks_clients", [False, True])
def test_a_certificate_that_is_out_of_date_is_told(
    peers: Peers, tmp_path: Path, asks_clients: bool
) -> None:
    """Soon after the start, hour by hour, and no more once there is a valid one."""
    certificate, key = tmp_path / "tls.pem", tmp_path / "tls.key"
    log = Recorder()

    def install(cert: trustme.LeafCert) -> None:
        certificate.write_text(pem(cert)["tls_certificate"])
        key.write_text(pem(cert)["tls_key"])

    def told_by(connector: TlsConnector, seconds: int) -> list[str]:
        for _ in range(seconds):
            connector.refresh("tls://")
        return [line["reason"] for line in log.of("certificate_out_of_date")]

    install(peers.authority.issue_cert("localhost", not_after=LAST_YEAR))
    authority = peers.authority_pem if asks_clients else ""
    source = TlsSource(TlsFiles(str(key), str(certificate), authority))
    connector = TlsConnector(source, Telemetry(log, FakeClock()))
    assert ["certificate has expired"] == told_by(connector, DATES_LOOKED_AT)
    assert 2 * ["certificate has expired"] == told_by(connector, 1)
    install(peers.server)
    assert 2 == len(told_by(connector, 2 * DATES_LOOKED_AT))


async def test_rotation_under_load(transports: Rig, peers: Peers, tmp_path: Path) -> None:
    """While certificates change, again and again, no connection ends and no line is lost."""
    certificate, key = tmp_path / "tls.pem", tmp_path / "tls.key"
    certificate.write_text(pem(peers.server)["tls_certificate"])
    key.write_text(pem(peers.server)["tls_key"])
    listener = await transports.listen(
        "tls://127.0.0.1:0", tls_certificate=str(certificate), tls_key=str(key)
    )
    context, ended = peers.context(None), threading.Event()

    def stay() -> int:
        """One connection that speaks all the time; returns its lines."""
        lines = 0
        with connect(listener, context) as peer:
            while not ended.wait(PACE_S):
                peer.sendall(b"a:1|c\n" * 10)
                lines += 10
            assert isinstance(peer, ssl.SSLSocket)
            peer.unwrap()
        return lines

    def come_and_go() -> tuple[int, set[bytes]]:
        """Connection after connection; returns the lines, and the certificates that were shown."""
        lines, shown = 0, set()
        while not ended.wait(PACE_S):
            with connect(listener, context) as peer:
                assert isinstance(peer, ssl.SSLSocket)
                shown.add(peer.getpeercert(binary_form=True) or b"")
                peer.sendall(b"a:1|c\n")
                peer.unwrap()
                lines += 1
        return lines, shown

    staying = [asyncio.create_task(asyncio.to_thread(stay)) for _ in range(3)]
    coming = asyncio.create_task(asyncio.to_thread(come_and_go))
    try:
        for number in range(5):
            renewed = pem(peers.authority.issue_cert("localhost"))
            certificate.write_text(renewed["tls_certificate"])
            await transports.clock.run(2)  # the key does not belong to it yet
            key.write_text(renewed["tls_key"])
            await transports.clock.run(2)
            connects = transports.telemetry.value(STREAM_CONNECTS, listener=listener.name)
            await transports.until_value(STREAM_CONNECTS, connects + 3, listener=listener.name)
            assert number + 1 == len(transports.log.of("certificates_reloaded"))
    finally:
        ended.set()
    lines = sum(await asyncio.gather(*staying))
    coming_lines, shown = await coming
    total = lines + coming_lines
    await transports.until(lambda a: a.accepted == total)
    connects = int(transports.telemetry.value(STREAM_CONNECTS, listener=listener.name))
    await transports.until_closed(listener, "eof", connects)
    assert {"eof"} == {fields["reason"] for fields in transports.log.of("stream_closed")}
    assert len(shown) >= 5


def write_and_go(listener: Listener, context: ssl.SSLContext, lines: int) -> None:
    """A client that reads nothing and says no farewell."""
    peer = connect(listener, context)
    peer.sendall(b"a:1|c\n" * lines)
    # Not through the ssl module, which says farewell.
    os.close(peer.detach())


async def test_a_client_that_only_writes_loses_nothing_when_it_closes(
    transports: Rig, peers: Peers
) -> None:
    """Nothing that it has not read resets the connection, with what is on its way."""
    listener = await transports.listen("tls://127.0.0.1:0", **pem(peers.server))
    await asyncio.to_thread(write_and_go, listener, peers.context(None), 50_000)
    await transports.until_closed(listener, "eof")
    assert 50_000 == transports.close_interval().accepted


@needs_native
def test_what_came_before_the_end_is_taken_before_it(peers: Peers) -> None:
    """Also where more was received at once than is read at once, on the daemon's event loop."""

    async def accepted() -> int:
        rig = Rig("native")
        listener = await rig.listen("tls://127.0.0.1:0", **pem(peers.server))
        context = peers.context(None)
        writing = (asyncio.to_thread(write_and_go, listener, context, 50_000) for _ in range(16))
        await asyncio.gather(*writing)
        await rig.until_closed(listener, "eof", 16)
        total = rig.close_interval().accepted
        await rig.close()
        return total

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert 16 * 50_000 == runner.run(accepted())


@pytest.mark.parametrize("wanted_bytes", [1, 100_000, 300_000])
def test_there_is_room_for_all_that_is_decrypted(wanted_bytes: int) -> None:
    """What the event loop says that it has, and the records that it does not see yet."""
    rig = EngineRig("python")
    hub = Hub(
        "tls://",
        rig.engine.open_reader("tls://"),
        limits=StreamLimits(),
        clock=rig.clock,
        telemetry=rig.telemetry,
    )
    connection = TlsConnection(hub, hub.lines(NOBODY))
    assert wanted_bytes + TLS_SLACK_BYTES <= len(connection.get_buffer(wanted_bytes))
    rig.engine.close()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"tls_key": "-----BEGIN PRIVATE KEY-----\nMA==\n"}, "tls_certificate and tls_key"),
        ({"tls_key": "/nowhere/tls.key"}, "tls_key: /nowhere/tls.key cannot be read"),
        ({"tls_authority_certificate": "-----BEGIN nothing"}, "tls_authority_certificate cannot"),
    ],
    ids=["bad key", "no file", "bad authority"],
)
async def test_what_cannot_be_used_is_named(
    transports: Rig, peers: Peers, change: dict[str, str], says: str
) -> None:
    """At the start, with the key of the configuration."""
    with pytest.raises(ListenError, match=says):
        await transports.listen("tls://127.0.0.1:0", **(pem(peers.server) | change))
