"""Everything veneurpy raises on purpose."""

from __future__ import annotations


class VeneurpyError(Exception):
    """The base of all."""


class ConfigError(VeneurpyError):
    """The configuration is wrong; the text lists every mistake with its place and its mend."""


class ListenError(VeneurpyError):
    """A listener could not be opened; the text says which, why and how to mend it."""


class SinkError(VeneurpyError):
    """A sink failed. `retriable` says whether the same rows may be sent again."""

    def __init__(self, message: str, *, retriable: bool) -> None:
        super().__init__(message)
        self.retriable = retriable


class InternalError(VeneurpyError):
    """A mistake of ours."""
