"""A file that grows by whole writes: all of a flush, or nothing of it."""

from __future__ import annotations

import contextlib
import fcntl
import gzip
import os
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator

from veneurpy.errors import SinkError

_PIECE_BYTES = 1 << 20
# Not blocking, or a named pipe that nobody reads would hold the thread for ever.
_OPEN_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
_GZIP_WINDOW = 31  # zlib's way to say: the largest window, with a gzip header


class AppendFile:
    """Appends to `path`. Blocking: call it from one worker thread.

    The file is held open and locked against a second writer. It is opened anew when the name has
    come to mean another file, so that `mv` is all that an outside rotation needs. A path that is
    not a regular file (a terminal, /dev/null) is only written to.
    """

    def __init__(
        self,
        path: str,
        *,
        header: bytes = b"",
        row_starts: tuple[bytes, ...] = (b"",),
        compress: bool = False,
        fsync: bool = False,
        rotate_bytes: int = 0,
        rotate_keep: int = 0,
    ) -> None:
        self.path = path
        self.is_ahead = False
        """Whether more was written than was to be taken back, so that nothing was."""
        self._row_starts = row_starts
        self._header = header
        self._gzip = compress
        self._fsync = fsync
        self._rotate_bytes = rotate_bytes
        self._rotate_keep = rotate_keep
        self._fd = -1
        self._take_back_to: tuple[str, int] | None = None
        self._position: str | None = None

    def __repr__(self) -> str:
        return f"AppendFile({self.path!r}, open={self._fd >= 0})"

    @property
    def position(self) -> str | None:
        """Where the last whole write ended, and in which file; None if it is no regular file."""
        return self._position

    def take_back_to(self, position: str, most_rows: int) -> None:
        """Makes the next `open` cut the file there, if it is longer and still the same file.

        Where there are more rows behind it, they are not ours to cut off.
        """
        self._take_back_to = (position, most_rows)

    def open(self) -> None:
        """Opens the file, making it if need be. Raises SinkError, with the way to mend it."""
        if self._fd < 0:
            with self._failure("open"):
                self._fd = os.open(self.path, _OPEN_FLAGS, 0o644)
            try:
                self._lock()
                self._take_back()
                self._end_torn_line()
                self._note_position()
            except BaseException:
                self.close()
                raise

    def append(self, pieces: Iterable[bytes], cancelled: Callable[[], bool]) -> None:
        """Writes all pieces at the end, in one run, or leaves the file as it was.

        Asks `cancelled` between pieces and at the end; a yes counts as a failure. Raises SinkError.
        """
        self._reopen_if_moved()
        self.open()
        self._rotate_if_full()
        size = os.fstat(self._fd).st_size
        try:
            with self._failure("write"):
                for piece in self._encoded(pieces, is_new=size == 0):
                    if cancelled():
                        raise SinkError(f"{self.path}: the write was called off", retriable=True)
                    self._write(piece)
                if self._fsync and self._is_regular():
                    os.fsync(self._fd)
                if cancelled():
                    raise SinkError(f"{self.path}: the write was called off", retriable=True)
        except BaseException:
            self._cut_back(size)
            raise
        self._note_position()

    def close(self) -> None:
        """Closes the file. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _lock(self) -> None:
        if not self._is_regular():
            return
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise SinkError(
                f"{self.path} is being written by another process or sink: "
                "give each a flush_file of its own",
                retriable=True,
            ) from exc
        except OSError:
            pass  # a file system without locks: one writer is then the operator's promise

    def _take_back(self) -> None:
        wanted, self._take_back_to = self._take_back_to, None
        if wanted is None or not self._is_regular():
            return
        position, most_rows = wanted
        file, _, text = position.rpartition(":")
        held, size = os.fstat(self._fd), int(text)
        if file != _file_of(held) or held.st_size <= size:
            return
        with self._failure("cut"):
            self.is_ahead = self._has_more_rows(size, most_rows)
            if not self.is_ahead:
                os.ftruncate(self._fd, size)

    def _has_more_rows(self, start: int, most: int) -> bool:
        with open(self.path, "rb") as file:
            file.seek(start)
            lines: Iterable[bytes] = gzip.GzipFile(fileobj=file) if self._gzip else file
            rows = 0
            # A member that was torn by the death has no end.
            with contextlib.suppress(EOFError, gzip.BadGzipFile, zlib.error):
                for line in lines:
                    rows += line.startswith(self._row_starts)
                    if rows > most:
                        return True
        return False

    def _note_position(self) -> None:
        held = os.fstat(self._fd)
        regular = stat.S_ISREG(held.st_mode)
        self._position = f"{_file_of(held)}:{held.st_size}" if regular else None

    def _end_torn_line(self) -> None:
        # What a crash of the machine may leave. Of gzip members the torn ones cannot be told.
        if self._gzip or not self._is_regular() or not os.fstat(self._fd).st_size:
            return
        with self._failure("open"), open(self.path, "rb") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                self._write(b"\n")

    def _reopen_if_moved(self) -> None:
        if self._fd < 0:
            return
        held = os.fstat(self._fd)
        try:
            named = os.stat(self.path)
        except OSError:
            self.close()
            return
        if (held.st_dev, held.st_ino) != (named.st_dev, named.st_ino):
            self.close()

    def _rotate_if_full(self) -> None:
        if not self._rotate_bytes or not self._is_regular():
            return
        if os.fstat(self._fd).st_size < self._rotate_bytes:
            return
        with self._failure("rotate"):
            for number in range(self._rotate_keep, 0, -1):
                older = f"{self.path}.{number}"
                newer = f"{self.path}.{number - 1}" if number > 1 else self.path
                with contextlib.suppress(FileNotFoundError):
                    os.replace(newer, older)
            if not self._rotate_keep:
                os.unlink(self.path)
        self.close()
        self.open()

    def _encoded(self, pieces: Iterable[bytes], *, is_new: bool) -> Iterator[bytes]:
        plain = _gathered(pieces, self._header if is_new else b"")
        if not self._gzip:
            yield from plain
            return
        member = zlib.compressobj(wbits=_GZIP_WINDOW)
        for piece in plain:
            if compressed := member.compress(piece):
                yield compressed
        yield member.flush()

    def _write(self, piece: bytes) -> None:
        rest = memoryview(piece)
        while rest:
            rest = rest[os.write(self._fd, rest) :]

    def _cut_back(self, size: int) -> None:
        if self._is_regular():
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, size)

    def _is_regular(self) -> bool:
        return stat.S_ISREG(os.fstat(self._fd).st_mode)

    @contextlib.contextmanager
    def _failure(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as exc:
            reason = exc.strerror or str(exc)
            raise SinkError(f"cannot {what} {self.path}: {reason}", retriable=True) from exc


def _file_of(held: os.stat_result) -> str:
    return f"{held.st_dev}:{held.st_ino}"


def _gathered(pieces: Iterable[bytes], header: bytes) -> Iterator[bytes]:
    # Few large writes instead of many small ones; a reader beside us then sees whole lines only.
    held, size = [header], len(header)
    for piece in pieces:
        held.append(piece)
        size += len(piece)
        if size >= _PIECE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if size:
        yield b"".join(held)
