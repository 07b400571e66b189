"""Unix sockets: whose file it is, who may send, and what is left behind."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from tests.unit.listeners.rig import KINDS, Rig, connect
from veneurpy.errors import ListenError

SCHEMES = {"unix": "stream", "unixgram": "dgram", "unixpacket": "packet"}


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_datagrams_reach_the_engine(transports: Rig, tmp_path: Path) -> None:
    """Each datagram with its lines, by path and by abstract name."""
    for place in (f"//{tmp_path}/dsd", f"@{tmp_path}/dsd"):
        listener = await transports.listen(f"unixgram:{place}")
        with connect(listener) as peer:
            peer.send(b"a:1|c\nb:2|c")
            await transports.until(lambda a: a.datagrams == 1)
        assert 2 == transports.close_interval().accepted


async def test_what_was_queued_is_read_at_the_stop(transports: Rig, tmp_path: Path) -> None:
    """No datagram that a sender got rid of is lost, and later ones are refused, not swallowed."""
    listener = await transports.listen(f"unixgram://{tmp_path}/dsd")
    with connect(listener) as peer:
        peer.setblocking(False)
        sent = 0
        for _ in range(100):
            try:
                peer.send(b"a:1|c")
            except BlockingIOError:
                break
            sent += 1
        assert 0 == await listener.stop(5)
        with pytest.raises(OSError, match=r"refused|Broken pipe|not connected"):
            peer.send(b"a:1|c")
    assert (sent, 0) == (transports.close_interval().datagrams, 0)


async def test_mode_and_end(transports: Rig, tmp_path: Path, scheme: str) -> None:
    """The file has the mode that was asked for, and goes with the listener."""
    path = tmp_path / "dsd"
    listener = await transports.listen(f"{scheme}://{path}", unix_socket_mode="0620")
    assert 0o620 == stat.S_IMODE(path.stat().st_mode)
    await listener.stop(1)
    assert not path.exists()


async def test_a_stale_socket_is_replaced(transports: Rig, tmp_path: Path, scheme: str) -> None:
    """Nobody listens there: it was left by a process that died."""
    path = tmp_path / "dsd"
    with socket.socket(socket.AF_UNIX, KINDS[SCHEMES[scheme]]) as dead:
        dead.bind(str(path))
    await transports.listen(f"{scheme}://{path}")


async def test_a_live_socket_is_left_alone(transports: Rig, tmp_path: Path, scheme: str) -> None:
    """Somebody without our lock listens there."""
    path = tmp_path / "dsd"
    with socket.socket(socket.AF_UNIX, KINDS[SCHEMES[scheme]]) as other:
        other.bind(str(path))
        if scheme != "unixgram":
            other.listen()
        with pytest.raises(ListenError, match="somebody listens there"):
            await transports.listen(f"{scheme}://{path}")
        assert path.exists()


async def test_two_daemons_are_kept_apart(transports: Rig, tmp_path: Path, scheme: str) -> None:
    """A lock beside the socket says whose it is."""
    await transports.listen(f"{scheme}://{tmp_path}/dsd")
    with pytest.raises(ListenError, match="another process holds"):
        await transports.listen(f"{scheme}://{tmp_path}/dsd")


@pytest.mark.parametrize("kind", ["file", "folder", "link", "fifo"])
async def test_nothing_but_sockets_is_removed(transports: Rig, tmp_path: Path, kind: str) -> None:
    """Whatever else is in the place stays, and is named."""
    path = tmp_path / "dsd"
    (tmp_path / "precious").write_text("data")
    {
        "file": lambda: path.write_text("data"),
        "folder": path.mkdir,
        "link": lambda: path.symlink_to(tmp_path / "precious"),
        "fifo": lambda: os.mkfifo(path),
    }[kind]()
    with pytest.raises(ListenError, match="exists and is no socket"):
        await transports.listen(f"unixgram://{path}")
    assert os.path.lexists(path)


@pytest.mark.parametrize(
    ("url", "settings", "says"),
    [
        ("unix:///nowhere/at/all/dsd", {}, "the folder /nowhere/at/all does not exist"),
        ("unix:@taken", {}, "the name is in use"),
        ("unix://{}/dsd", {"unix_socket_owner": "nobody-here"}, '"nobody-here" is not known here'),
    ],
    ids=["no folder", "abstract name taken", "unknown owner"],
)
async def test_errors_say_how_to_mend(
    transports: Rig, tmp_path: Path, url: str, settings: dict[str, str], says: str
) -> None:
    """Each names what is wrong."""
    with socket.socket(socket.AF_UNIX) as taken:
        taken.bind("\0taken")
        with pytest.raises(ListenError, match=says):
            await transports.listen(url.format(tmp_path), **settings)


async def test_owner(transports: Rig, tmp_path: Path) -> None:
    """The file belongs to whom the configuration says, by number or name."""
    # Whoever is not root may give it to himself only.
    uid, gid = (12345, 54321) if os.geteuid() == 0 else (os.getuid(), os.getgid())
    await transports.listen(f"unixgram://{tmp_path}/dsd", unix_socket_owner=f"{uid}:{gid}")
    found = (tmp_path / "dsd").stat()
    assert (uid, gid) == (found.st_uid, found.st_gid)
