"""Certificates and keys as OpenSSL wants them, and whether their files have changed."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Mapping
from typing import Any

Stamp = tuple[int, int, int] | None


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
