"""Bodies of HTTP requests, decompressed piece by piece: one that was cut off is known as such."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

ENCODINGS = ("gzip", "deflate")
_GZIP_WINDOW = 31  # zlib's way to say: the largest window, with a gzip header
_ZLIB_WINDOW = 15
_RAW_WINDOW = -15
_ZLIB_METHOD = 8  # the low half of the first byte of a zlib header


class BadBody(Exception):
    """What is there cannot be decompressed, or ends too early."""


class Body:
    """A body in one encoding; "" and "identity" are none. Raises LookupError for one not known."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding.strip().lower().removeprefix("x-")
        if self._encoding not in ("", "identity", *ENCODINGS):
            raise LookupError(encoding)
        self._is_plain = self._encoding not in ENCODINGS
        self._inflater: zlib._Decompress | None = None

    def pieces(self, data: bytes, most_bytes: int) -> Iterator[bytes]:
        """What comes out of `data`, at most so much at once. Raises BadBody."""
        if self._is_plain:
            yield data
            return
        is_full = False
        while data or is_full:  # some may wait inside though all of `data` is taken
            if self._inflater is None:
                self._inflater = zlib.decompressobj(self._window(data[0]))
            try:
                piece = self._inflater.decompress(data, most_bytes)
            except zlib.error as exc:
                raise BadBody(f"it is no {self._encoding}: {exc}") from exc
            data, is_full = self._inflater.unconsumed_tail, len(piece) == most_bytes
            if self._inflater.eof:  # another member may follow
                data, is_full = self._inflater.unused_data, False
                self._inflater = None
            yield piece

    def finish(self) -> None:
        """There is no more. Raises BadBody if there should be."""
        if self._inflater is not None:
            raise BadBody(f"its {self._encoding} ends too early")

    def _window(self, first_byte: int) -> int:
        if self._encoding == "gzip":
            return _GZIP_WINDOW
        # "deflate" means zlib's format; some send it without its header.
        return _ZLIB_WINDOW if first_byte & 0xF == _ZLIB_METHOD else _RAW_WINDOW
