"""The `aiodogstatsd` client, which knows no sets."""

import asyncio
import sys

import aiodogstatsd

host, _, port = sys.argv[1].removeprefix("udp://").rpartition(":")


async def main() -> None:
    async with aiodogstatsd.Client(host=host, port=int(port)) as client:
        for _ in range(10):
            client.increment("matrix.count", value=3, tags={"a": 1})
        client.gauge("matrix.gauge", value=42.5)
        for _ in range(5):
            client.timing("matrix.time", value=12)


asyncio.run(main())
