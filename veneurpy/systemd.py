"""What a service tells systemd: datagrams to `$NOTIFY_SOCKET` (sd_notify(3)), none without it."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Speaks to the service manager that the environment names. Never raises, never blocks."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A leading "@" stands for the abstract namespace.
        self._address = "\0" + address[1:] if address.startswith("@") else address
        is_ours = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        self.watchdog_s = int(environ.get("WATCHDOG_USEC", "0")) / 1e6 if is_ours else 0.0
        """How often the service must show that it lives; 0 for never."""

    def notify(self, *assignments: str) -> None:
        """Sends assignments such as `READY=1`."""
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            try:
                sock.sendto("\n".join(assignments).encode(), self._address)
            except OSError:
                # Nobody listens, or the queue is full: nothing that a service could do about it.
                return
