"""Captures compressed with zstd. Apart, so that only who has one loads the library."""

from __future__ import annotations

import io
from typing import IO, BinaryIO, cast

import zstandard


class _Unpacked(io.RawIOBase):
    """The content of a compressed file. Raises OSError where it is damaged."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._content = zstandard.ZstdDecompressor().stream_reader(
            packed, read_across_frames=True, closefd=True
        )

    def readable(self) -> bool:
        return True

    def readinto(self, into: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            return self._content.readinto(into)
        except zstandard.ZstdError as exc:
            raise OSError(str(exc)) from exc

    def close(self) -> None:
        self._content.close()  # type: ignore[no-untyped-call]
        super().close()


def unpacking(packed: IO[bytes]) -> IO[bytes]:
    """A file to read the content from; closing it closes `packed`."""
    return io.BufferedReader(_Unpacked(packed))


def packing(target: BinaryIO) -> BinaryIO:
    """A file that writes to `target` with zstd; closing it leaves `target` open."""
    writer = zstandard.ZstdCompressor().stream_writer(target, closefd=False)
    return cast(BinaryIO, writer)
