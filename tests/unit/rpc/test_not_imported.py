"""Who does not forward does not pay for forwarding."""

from __future__ import annotations

import subprocess
import sys

HEAVY = ("h2", "zstandard", "dns", "grpc", "veneurpy.rpc", "veneurpy.discovery")


def test_a_plain_daemon_loads_none_of_it() -> None:
    """The daemon's own module imports neither gRPC nor compression nor DNS."""
    code = (
        "import sys, veneurpy.server, veneurpy.cli.run; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "[]" == shown.stdout.strip()
