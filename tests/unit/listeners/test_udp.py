"""The UDP listener: what is sent arrives in the engine, up to the last datagram."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.engines import needs_native
from tests.recording import Recorder
from tests.unit.listeners.rig import EngineRig
from veneurpy.config import ListenUrl
from veneurpy.engine import Engine, EngineKind, EngineOptions, open_engine
from veneurpy.errors import ListenError
from veneurpy.listeners.udp import UdpListener
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.metrics import RECEIVE_BUFFER
from veneurpy.testing import START_MS, FakeClock

LOCAL = ListenUrl("udp", "127.0.0.1", 0)


class Rig(EngineRig):
    """A listener and its engine."""

    patience_s = 10.0

    def __init__(self, kind: EngineKind) -> None:
        super().__init__(kind, EngineOptions(max_datagram_bytes=512))
        self.listeners: list[UdpListener] = []

    async def listen(
        self, url: ListenUrl = LOCAL, num_readers: int = 1, buffer: int = 262_144
    ) -> UdpListener:
        """Starts a listener, which is stopped at the end of the test."""
        listener = UdpListener(
            url, num_readers=num_readers, read_buffer_bytes=buffer, telemetry=self.telemetry
        )
        self.listeners.append(listener)
        await listener.start(self.engine)
        return listener


@pytest.fixture(params=["python", pytest.param("native", marks=needs_native)])
async def rig(request: pytest.FixtureRequest) -> AsyncIterator[Rig]:
    """Both engines, since the listener differs."""
    made = Rig(request.param)
    yield made
    for listener in made.listeners:
        await listener.stop(5)
    made.engine.close()


def port_of(listener: UdpListener) -> int:
    return int(listener.name.rpartition(":")[2])


def send(listener: UdpListener, *datagrams: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for datagram in datagrams:
            sender.sendto(datagram, ("127.0.0.1", port_of(listener)))


def shown_threads() -> set[str]:
    """This process's threads as the system names them."""
    return {path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")}


@needs_native
async def test_readers_show_their_names() -> None:
    """The system knows each by its name, so that `top -H` tells which one is busy."""
    rig = Rig("native")
    listener = await rig.listen(num_readers=2)
    try:
        await rig.until(lambda _: {"reader-0", "reader-1"} <= shown_threads())
    finally:
        await listener.stop(5)
        rig.engine.close()


async def test_datagrams_reach_the_engine(rig: Rig) -> None:
    """Each is one datagram with its lines, under the listener's name."""
    listener = await rig.listen()
    send(listener, b"a:1|c\nb:2|c", b"bad")
    await rig.until(lambda a: a.datagrams == 2)
    accounts = rig.close_interval()
    assert (3, 2, 1) == (accounts.lines, accounts.accepted, accounts.rejected["no_colon_or_pipe"])
    assert [listener.name] == [name for name, _ in rig.engine.open_accounts()]


async def test_a_long_datagram_loses_its_end(rig: Rig) -> None:
    """Its complete lines count, and that it was cut is counted."""
    listener = await rig.listen()
    send(listener, b"a:1|c\n" * 100)
    await rig.until(lambda a: a.datagrams == 1)
    accounts = rig.close_interval()
    assert (1, 0, 512 // 6) == (accounts.truncated, accounts.whole, accounts.accepted)


async def test_what_was_queued_is_read_at_the_stop(rig: Rig) -> None:
    """No datagram that was sent before is lost, though nobody had time to read it."""
    listener = await rig.listen()
    send(listener, *[b"a:1|c"] * 200)
    assert await listener.stop(5) == 0
    accounts = rig.close_interval()
    assert (200, 0) == (accounts.datagrams, accounts.kernel_drops)


async def test_a_listener_stops_once(rig: Rig) -> None:
    """A second stop does nothing."""
    listener = await rig.listen()
    await listener.stop(5)
    assert await listener.stop(5) == 0


async def test_kernel_drops_are_accounts_of_the_interval(rig: Rig) -> None:
    """Sent = read + dropped, exactly, also when the buffer was far too small."""
    listener = await rig.listen(buffer=4096)
    send(listener, *[b"a:1|c" + b"|#" + b"x" * 300] * 300)
    await listener.stop(5)
    accounts = rig.close_interval()
    assert 300 == accounts.datagrams + accounts.kernel_drops
    assert rig.close_interval().kernel_drops == 0


async def test_readers_share_the_traffic(rig: Rig) -> None:
    """Several sockets make one listener, and nothing is lost between them."""
    listener = await rig.listen(num_readers=2)
    assert [listener.name] * 2 == [name for name, _ in rig.engine.open_accounts()]
    for _ in range(20):
        send(listener, b"a:1|c")
    await rig.until(lambda a: a.datagrams == 20)


async def test_ipv6_and_ipv4_on_one_listener(rig: Rig) -> None:
    """`udp://:port` is both."""
    listener = await rig.listen(ListenUrl("udp", "", 0))
    send(listener, b"a:1|c")
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"a:1|c", ("::1", port_of(listener)))
    await rig.until(lambda a: a.datagrams == 2)


async def test_a_name_is_resolved(rig: Rig) -> None:
    """The listener keeps the name it was given."""
    listener = await rig.listen(ListenUrl("udp", "localhost", 0))
    assert listener.name == f"udp://localhost:{port_of(listener)}"
    send(listener, b"a:1|c")
    await rig.until(lambda a: a.datagrams == 1)


async def test_a_taken_port_is_refused(rig: Rig) -> None:
    """Whatever the number of readers of either."""
    listener = await rig.listen(num_readers=2)
    with pytest.raises(ListenError, match="in use"):
        await rig.listen(ListenUrl("udp", "127.0.0.1", port_of(listener)), num_readers=2)


async def test_an_unknown_name_is_refused(rig: Rig) -> None:
    """The error says what to write instead."""
    with pytest.raises(ListenError, match=r"'nowhere\.invalid' has no address here"):
        await rig.listen(ListenUrl("udp", "nowhere.invalid", 0))


async def test_a_small_buffer_is_warned_about(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warning names the limit and the command that raises it."""
    monkeypatch.setattr("veneurpy.listeners._sockets._set_buffer", lambda opened, wanted: 1000)
    listener = await rig.listen(buffer=262_144)
    (warning,) = rig.log.of("receive_buffer_small")
    assert warning["mend"] == "sysctl -w net.core.rmem_max=262144"
    assert rig.telemetry.value(RECEIVE_BUFFER, listener=listener.name) == 1000


async def test_a_listener_that_never_started_can_be_stopped(rig: Rig) -> None:
    """The way out after a failed start."""
    listener = UdpListener(
        LOCAL, num_readers=1, read_buffer_bytes=4096, telemetry=Telemetry(rig.log, FakeClock())
    )
    assert await listener.stop(1) == 0


@pytest.mark.parametrize("kind", ["python", pytest.param("native", marks=needs_native)])
async def test_clients(kind: EngineKind) -> None:
    """With a budget for clients each datagram is accounted to the address that it came from."""
    options = EngineOptions(max_series_per_client=3)
    engine = open_engine(kind, options, start_ms=START_MS)
    telemetry = Telemetry(Recorder(), FakeClock())
    listener = UdpListener(LOCAL, num_readers=1, read_buffer_bytes=262_144, telemetry=telemetry)
    await listener.start(engine)
    _send_from_two(int(listener.name.rpartition(":")[2]))
    await listener.stop(5)

    assert TWO_CLIENTS == _clients(engine)
    engine.close()


@needs_native
def test_clients_of_both_families() -> None:
    """An IPv4 client is the same one at a socket for IPv6."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as receiver:
        receiver.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        receiver.bind(("::", 0))
        port = receiver.getsockname()[1]
        engine = open_engine("native", EngineOptions(max_series_per_client=3), start_ms=START_MS)
        reader = engine.attach(receiver.fileno(), "x")
        _send_from_two(port)
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"a:1|c|#id:x", ("::1", port))
        reader.stop(5)

    assert TWO_CLIENTS | {"::1": (1, 1, 1, 0)} == _clients(engine)
    engine.close()


TWO_CLIENTS = {"127.0.0.1": (5, 5, 3, 2), "127.0.0.2": (10, 10, 3, 7)}


def _send_from_two(port: int) -> None:
    for number in (1, 2):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((f"127.0.0.{number}", 0))
            for i in range(5 * number):
                sender.sendto(b"a:1|c|#id:%d,of:%d" % (i, number), ("127.0.0.1", port))


def _clients(engine: Engine) -> dict[str, tuple[int, int, int, int]]:
    interval = engine.rotate(START_MS + 10_000)
    tops = interval.clients(10)
    interval.release()
    return {top.client: (top.datagrams, top.samples, top.series, top.over) for top in tops}


@needs_native
async def test_clients_by_a_sample() -> None:
    """Without one the first batch is looked at, and stands for 64."""
    engine = open_engine("native", EngineOptions(), start_ms=START_MS)
    telemetry = Telemetry(Recorder(), FakeClock())
    listener = UdpListener(LOCAL, num_readers=1, read_buffer_bytes=262_144, telemetry=telemetry)
    await listener.start(engine)
    port = int(listener.name.rpartition(":")[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(b"a:1|c|#id:1\na:1|c|#id:2\nbad", ("127.0.0.1", port))
    await listener.stop(5)
    interval = engine.rotate(START_MS + 10_000)
    (top,) = interval.clients(10)
    interval.release()
    engine.close()

    assert ("127.0.0.1", 64, 128, 128, 128) == top[:5]
    assert (0, 64, 0) == top[6:]
