"""Server-side TLS from PEM text or files; files are read again when they change."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from veneurpy.certificates import Stamp, load_pair, read_pem, stamps, why_out_of_date
from veneurpy.errors import ListenError

_PEM = "-----BEGIN"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Each is PEM text or the path of a file with it."""

    key: str
    certificate: str
    authority: str = ""
    """Of clients: with it they must show a certificate that it has signed."""
    allowed_names: frozenset[str] = frozenset()
    """One of them must be in a client's certificate (subjectAltName or common name)."""


class TlsSource:
    """The context for the next connection."""

    def __init__(self, files: TlsFiles) -> None:
        """Raises ListenError if they cannot be used."""
        self._files = files
        self._stamp = self._stamp_now()
        self.context, self._certificate = _context(files)

    def __repr__(self) -> str:
        return f"TlsSource(asks_clients={bool(self._files.authority)})"

    @property
    def allowed_names(self) -> frozenset[str]:
        return self._files.allowed_names

    def refresh(self) -> bool:
        """Reads files that have changed; whether there were any. The context stays if they are bad.

        Raises ListenError then, once for each change.
        """
        stamp = self._stamp_now()
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        self.context, self._certificate = _context(self._files)
        return True

    def why_out_of_date(self) -> str:
        """Why no client takes the certificate now; "" if that is not for its dates."""
        return why_out_of_date(self.context, self._certificate)

    def _stamp_now(self) -> tuple[Stamp, ...]:
        texts = (self._files.key, self._files.certificate, self._files.authority)
        return stamps(text for text in texts if text and _PEM not in text)


def _context(files: TlsFiles) -> tuple[ssl.SSLContext, str]:
    """With the certificate that it shows, as PEM text."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # Clients never read here, and a close with something unread resets the connection: what they
    # wrote last would be lost to the tickets of a session that nobody resumes.
    context.num_tickets = 0
    certificate, key = _pem("tls_certificate", files.certificate), _pem("tls_key", files.key)
    try:
        load_pair(context, certificate, key)
    except ssl.SSLError as exc:
        raise ListenError(
            f"tls_certificate and tls_key cannot be used: {exc.reason or exc}: the first must be a "
            "certificate (with its chain) in PEM, the second its private key without a password"
        ) from exc
    if files.authority:
        _require_clients(context, _pem("tls_authority_certificate", files.authority))
    return context, certificate


def _require_clients(context: ssl.SSLContext, authority: str) -> None:
    try:
        context.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError) as exc:
        raise ListenError(
            f"tls_authority_certificate cannot be used: {exc}: expected certificates in PEM"
        ) from exc
    context.verify_mode = ssl.CERT_REQUIRED


def _pem(key: str, text: str) -> str:
    if _PEM in text:
        return text
    try:
        return read_pem(text)
    except ValueError as exc:
        raise ListenError(f"{key}: {exc}") from exc
