"""The official `datadog` client; a URL is its address."""

import sys

from datadog.dogstatsd.base import DogStatsd

scheme, where = sys.argv[1].split(":", 1)
options = {"disable_telemetry": True}
if scheme == "udp":
    host, _, port = where.removeprefix("//").rpartition(":")
    client = DogStatsd(host, int(port), **options)
else:
    # A Unix datagram socket by its path; a stream is named as one.
    prefix = {"unix": "unixstream://", "unixgram": "unixgram://"}[scheme]
    client = DogStatsd(socket_path=prefix + where.removeprefix("//"), **options)
with client:
    for _ in range(10):
        client.increment("matrix.count", 3, tags=["a:1", "b"])
    client.gauge("matrix.gauge", 42.5)
    for _ in range(5):
        client.timing("matrix.time", 12)
    for member in ("x", "y", "x"):
        client.set("matrix.set", member)
    client.flush()
