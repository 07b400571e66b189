"""TLS and mutual TLS for gRPC. Certificates are read again when their files have changed."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from veneurpy.certificates import Stamp, load_pair, read_pem, stamps, unreadable
from veneurpy.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """What one end shows and trusts, each a path or the PEM text itself; "" for none."""

    certificate: str = ""
    key: str = ""
    authority: str = ""
    """A server with it asks every sender for a certificate that it signed; a client without it
    trusts the authorities of the system."""
    server_name: str = ""
    """A client expects this name instead of the address's."""


class _Reloaded:
    """A context made anew when a file changed. A half-written pair leaves the last good one."""

    def __init__(
        self,
        files: TlsFiles,
        build: Callable[[TlsFiles], ssl.SSLContext],
        failed: Callable[[str], None],
        key: str,
    ) -> None:
        self._files = files
        self._build = build
        self._failed = failed
        self._seen = _stamps(files)
        try:
            self._context = build(files)
        except (OSError, ValueError) as exc:
            raise ConfigError(f"{key}: {exc}") from exc

    def context(self) -> ssl.SSLContext:
        """The context for a new connection. Reads files: call it off the event loop."""
        seen = _stamps(self._files)
        if seen != self._seen:
            try:
                self._context = self._build(self._files)
            except (OSError, ValueError) as exc:
                self._failed(str(exc))
            self._seen = seen
        return self._context


class ServerTls(_Reloaded):
    """The server's end. Raises ConfigError when what it is given is not usable.

    `failed` is told, on whichever thread asked, when changed files cannot be used. `key` is what
    the configuration calls them.
    """

    def __init__(
        self, files: TlsFiles, *, failed: Callable[[str], None], key: str = "grpc_tls"
    ) -> None:
        super().__init__(files, _server_context, failed, key)


class ClientTls(_Reloaded):
    """The client's end; as ServerTls."""

    def __init__(self, files: TlsFiles, *, failed: Callable[[str], None], key: str = "tls") -> None:
        super().__init__(files, _client_context, failed, key)
        self.server_name = files.server_name


def name_in_certificate(secured: ssl.SSLObject) -> str | None:
    """Who the other end is by its certificate: the first DNS name, else the common name."""
    shown = secured.getpeercert()
    if not shown:
        return None
    alternatives = cast(Sequence[tuple[str, str]], shown.get("subjectAltName", ()))
    for kind, value in alternatives:
        if kind == "DNS":
            return value
    subject = cast(Sequence[Sequence[tuple[str, str]]], shown.get("subject", ()))
    names = (value for pairs in subject for kind, value in pairs if kind == "commonName")
    return next(names, None)


def _server_context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    _load_pair(context, files)
    if files.authority:
        with _speaking_of(files.authority):
            cafile, cadata = _authority(files.authority)
            context.load_verify_locations(cafile=cafile, cadata=cadata)
        context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    return context


def _client_context(files: TlsFiles) -> ssl.SSLContext:
    with _speaking_of(files.authority):
        cafile, cadata = _authority(files.authority)
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=cafile, cadata=cadata)
    if files.certificate or files.key:
        _load_pair(context, files)
    context.set_alpn_protocols(["h2"])
    return context


def _load_pair(context: ssl.SSLContext, files: TlsFiles) -> None:
    if not files.certificate or not files.key:
        raise ValueError("a certificate needs its key, and a key its certificate")
    try:
        load_pair(context, _text(files.certificate), _text(files.key))
    except ssl.SSLError as exc:
        pair = f"the certificate {_shown(files.certificate)} and the key {_shown(files.key)}"
        what = "a certificate (with its chain) and its private key without a password, in PEM"
        raise ValueError(f"{pair} are not {what}: {exc.reason or exc}") from exc


@contextmanager
def _speaking_of(authority: str) -> Iterator[None]:
    """Says which authority it is that cannot be used. Raises ValueError."""
    try:
        yield
    except ssl.SSLError as exc:
        what = f"the authority {_shown(authority)} is no certificate in PEM"
        raise ValueError(f"{what}: {exc.reason or exc}") from exc
    except OSError as exc:
        raise ValueError(unreadable(authority, exc)) from exc


def _authority(text: str) -> tuple[str | None, str | None]:
    """The file, or the text itself, that names whom to trust."""
    return (None, text) if _is_pem(text) else (text or None, None)


def _text(text: str) -> str:
    """PEM text, of a file where it is a path. Raises ValueError where that cannot be read."""
    return text if _is_pem(text) else read_pem(text)


def _shown(text: str) -> str:
    return "(PEM text)" if _is_pem(text) else text


def _is_pem(text: str) -> bool:
    return text.lstrip().startswith("-----BEGIN")


def _stamps(files: TlsFiles) -> tuple[Stamp, ...]:
    texts = (files.certificate, files.key, files.authority)
    return stamps(text for text in texts if text and not _is_pem(text))
