"""Which client speaks over what, and how each is run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

PROGRAMS = Path(__file__).parent / "programs"
BUILT = Path(__file__).parents[2] / "build" / "clients"
"""Where `make services` puts what comes from npm and Go."""


@dataclass(frozen=True)
class Client:
    """One client: its program takes the URL to send to."""

    name: str
    command: tuple[str, ...]
    transports: tuple[str, ...]
    needs: str = ""
    """A file that must be there."""
    knows_sets: bool = True

    def missing(self) -> str:
        """Why it cannot be run here; empty if it can."""
        if shutil.which(self.command[0]) is None:
            return f"{self.command[0]} is not installed: `make services` does that"
        if self.needs and not Path(self.needs).exists():
            return f"{self.name} is not installed: `make services` does that"
        return ""

    def send(self, url: str) -> None:
        """Runs it; it must end well."""
        environ = os.environ | {"NODE_PATH": str(BUILT / "node_modules")}
        subprocess.run([*self.command, url], check=True, timeout=60, env=environ)


def _python(name: str) -> tuple[str, ...]:
    return (sys.executable, str(PROGRAMS / f"python_{name}.py"))


CLIENTS = (
    Client("datadog (Python)", _python("datadog"), ("udp", "unixgram", "unix")),
    Client("statsd (Python)", _python("statsd"), ("udp", "tcp", "unix")),
    Client("aiodogstatsd (Python)", _python("aiodogstatsd"), ("udp",), knows_sets=False),
    Client(
        "hot-shots (Node.js)",
        ("node", str(PROGRAMS / "hot_shots.js")),
        ("udp", "tcp", "unixgram"),
        needs=str(BUILT / "node_modules" / "hot-shots"),
    ),
    Client(
        "statsd-client (Node.js)",
        ("node", str(PROGRAMS / "statsd_client.js")),
        ("udp", "tcp"),
        needs=str(BUILT / "node_modules" / "statsd-client"),
    ),
    Client(
        "Net::Statsd (Perl)",
        ("perl", str(PROGRAMS / "net_statsd.pl")),
        ("udp",),
        needs="/usr/share/perl5/Net/Statsd.pm",
        knows_sets=False,
    ),
    # Over TCP it ends no line (1.4.0), which no server can mend.
    Client("statsd (Ruby)", ("ruby", str(PROGRAMS / "ruby_statsd.rb")), ("udp",)),
    Client("datadog-go", (str(BUILT / "datadog_go"),), ("udp", "unixgram", "unix")),
    Client("netcat", ("sh", str(PROGRAMS / "netcat.sh")), ("udp", "tcp", "unix"), needs="/bin/nc"),
    Client("curl", ("sh", str(PROGRAMS / "curl.sh")), ("http",), needs="/usr/bin/curl"),
)
