"""Certificates and keys as OpenSSL wants them, and whether their files have changed."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

Stamp = tuple[int, int, int] | None
_OUT_OF_DATE = (9, 10)
"""OpenSSL's X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED."""


def load_pair(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Gives a context its certificate (with its chain) and private key, both PEM text.

    Raises ssl.SSLError if they are not usable together.
    """
    # Only files are taken: this one has no name, and is in memory.
    both = os.memfd_create("veneurpy-tls", os.MFD_CLOEXEC)
    try:
        os.write(both, f"{certificate}\n{key}\n".encode())
        context.load_cert_chain(f"/proc/self/fd/{both}")
    finally:
        os.close(both)


def why_out_of_date(context: ssl.SSLContext, certificate: str) -> str:
    """What a client would say of a server's certificate (PEM) that is not valid now; "" if it is.

    Python reads dates only of certificates that a peer has shown: so one is made that trusts it.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(cadata=certificate)
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = context.wrap_bio(to_server, to_client, server_side=True)
    judge = client.wrap_bio(to_client, to_server)
    try:
        for end in (judge, server, judge):
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    except ssl.SSLCertVerificationError as exc:
        return exc.verify_message if exc.verify_code in _OUT_OF_DATE else ""
    except ssl.SSLError:
        pass  # whatever keeps them from each other, it is not this
    return ""


def read_pem(path: str) -> str:
    """What a file says. Raises ValueError, which tells what was expected."""
    try:
        return Path(path).read_text()
    except (OSError, UnicodeDecodeError) as exc:
        raise ValueError(unreadable(path, exc)) from exc


def unreadable(path: str, error: Exception) -> str:
    """Why a file is of no use, in words."""
    why = error.strerror if isinstance(error, OSError) else "not a text"
    return f"{path} cannot be read ({why}): expected PEM text or the path of a file with it"


def names_in(certificate: Mapping[str, Any] | None) -> frozenset[str]:
    """The names in a certificate that a peer has shown (`getpeercert`); none without one."""
    shown = certificate or {}
    names = {value for _, value in shown.get("subjectAltName", ())}
    for part in shown.get("subject", ()):
        names |= {value for key, value in part if key == "commonName"}
    return frozenset(names)


def stamps(paths: Iterable[str]) -> tuple[Stamp, ...]:
    """Changes when one of the files does, also when a link to it is turned to another."""
    return tuple(_stamp(path) for path in paths)


def _stamp(path: str) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
