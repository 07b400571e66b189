"""Unix sockets on Linux, opened so that nobody's file or traffic is taken."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import grp
import os
import pwd
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from veneurpy.config import ListenUrl
from veneurpy.errors import ListenError


@dataclass(frozen=True, slots=True)
class UnixAccess:
    """Who may send to a socket that is a file."""

    mode: int = 0o666
    owner: str = ""
    """`user`, `user:group` or `:group`, by name or number; empty: as the process."""


class UnixPlace:
    """The file, and the lock that says it is ours."""

    def __init__(self, path: Path, lock_fd: int, inode: int) -> None:
        self._path = path
        self._lock_fd = lock_fd
        self._inode = inode

    def leave(self, *, keeps_path: bool) -> None:
        """Removes the file, if it is still ours and is not to be kept. Idempotent."""
        if self._lock_fd < 0:
            return
        with contextlib.suppress(OSError):
            if not keeps_path and self._path.lstat().st_ino == self._inode:
                self._path.unlink()
        # The lock's file stays: to remove it would let two others each lock a different one.
        os.close(self._lock_fd)
        self._lock_fd = -1


def open_unix(
    url: ListenUrl, kind: int, access: UnixAccess
) -> tuple[socket.socket, UnixPlace | None]:
    """Opens a socket and binds it. Raises ListenError, which says how to mend it.

    A file in its place is removed only if it is a socket that nobody listens on.
    """
    opened = socket.socket(socket.AF_UNIX, kind)
    try:
        if url.path.startswith("@"):
            opened.bind("\0" + url.path[1:])
            return opened, None
        return opened, _bind_file(url, opened, access)
    except ListenError:
        opened.close()
        raise
    except OSError as exc:
        opened.close()
        raise ListenError(f"cannot listen on {url}: {_mend(url, exc)}") from exc


def lock_place(url: ListenUrl, path: Path) -> UnixPlace:
    """Takes the lock of a socket that another process has bound and left to this one."""
    lock_fd = _lock(url, path)
    try:
        return UnixPlace(path, lock_fd, path.lstat().st_ino)
    except OSError:
        return UnixPlace(path, lock_fd, -1)


def _bind_file(url: ListenUrl, opened: socket.socket, access: UnixAccess) -> UnixPlace:
    path = Path(url.path)
    user, group = _owner(access.owner)
    lock_fd = _lock(url, path)
    try:
        _clear(url, path, opened.type)
        # Closed to everybody until its owner and mode are right.
        os.fchmod(opened.fileno(), 0)
        opened.bind(url.path)
        os.chown(path, user, group)
        path.chmod(access.mode)
        return UnixPlace(path, lock_fd, path.lstat().st_ino)
    except BaseException:
        os.close(lock_fd)
        raise


def _lock(url: ListenUrl, path: Path) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    lock_fd = os.open(f"{path}.lock", flags, 0o644)
    try:
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock_fd)
        raise ListenError(
            f"cannot listen on {url}: another process holds {path}.lock: `fuser {path}.lock` shows "
            "which; stop it or choose another path"
        ) from None
    return lock_fd


def _clear(url: ListenUrl, path: Path, kind: int) -> None:
    """Makes room: removes a socket that nobody listens on, and nothing else."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ListenError(
            f"cannot listen on {url}: {path} exists and is no socket; remove it yourself if it is "
            "not needed, or choose another path"
        )
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError:
            pass
    raise ListenError(
        f"cannot listen on {url}: somebody listens there: `ss -xlp` shows who; "
        "stop it or choose another path"
    )


def _owner(text: str) -> tuple[int, int]:
    """(uid, gid), -1 for "as it is". Raises ListenError for a name that is not known here."""
    user, _, group = text.partition(":")
    try:
        uid = -1 if not user else int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
        gid = -1 if not group else int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError as exc:
        raise ListenError(
            f'unix_socket_owner: "{text}" is not known here ({exc}): expected user, user:group or '
            ":group, as `getent passwd` and `getent group` know them"
        ) from None
    return uid, gid


def _mend(url: ListenUrl, error: OSError) -> str:
    folder = Path(url.path).parent
    mends = {
        errno.EADDRINUSE: "the name is in use: `ss -xlp` shows by whom; stop it or choose another",
        errno.ENOENT: f"the folder {folder} does not exist: make it, or choose another path",
        errno.EACCES: f"permission denied: {folder} must be writable for this user",
        errno.EPERM: "not permitted: unix_socket_owner can be set to another user by root only",
        errno.EROFS: f"{folder} is read-only: choose another path",
    }
    return mends.get(error.errno or 0, error.strerror or str(error))
