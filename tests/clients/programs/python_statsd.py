"""The `statsd` client."""

import sys

from statsd import StatsClient, TCPStatsClient
from statsd.client import UnixSocketStatsClient

scheme, where = sys.argv[1].split(":", 1)
where = where.removeprefix("//")
host, _, port = where.rpartition(":")
if scheme == "udp":
    client = StatsClient(host, int(port))
elif scheme == "tcp":
    client = TCPStatsClient(host, int(port))
else:
    client = UnixSocketStatsClient(where)
for _ in range(10):
    client.incr("matrix.count", 3)
client.gauge("matrix.gauge", 42.5)
for _ in range(5):
    client.timing("matrix.time", 12)
for member in ("x", "y", "x"):
    client.set("matrix.set", member)
client.close()
