"""Peers that mean no good, in a process of their own: `python -m benchmarks.hostile_peers SIEGE`.

SIEGE is a JSON object with the fields of `Force`. It goes on until its standard input ends, and
then says what it has done as one JSON object.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TypeAlias

TICK_S = 0.2
ENDLESS_BYTES = 1 << 20
"""Of one line without an end; then it ends after all, and another begins."""
PIECE_BYTES = 1 << 16
GARBAGE_LINES = 50
_NEVER = bytes.maketrans(b"\n\r|", b"...")


@dataclass(frozen=True, slots=True)
class Force:
    """Whom to send where, and how many."""

    tcp: tuple[str, int]
    unix: str
    idle: int = 10_000
    slow: int = 200
    """They send a byte now and then, and no LF."""
    endless: int = 10
    garbage: int = 10
    half_frames: int = 100
    bad_frames: int = 100
    """Frames whose length cannot be."""
    resets: int = 100
    """They leave by a reset, within a line."""


@dataclass(slots=True)
class Deeds:
    """What was done, as far as the daemon has to account for it."""

    connects: int = 0
    refused: int = 0
    """Connections that did not come to be."""
    endless_lines: int = 0
    garbage_lines: int = 0
    unfinished_lines: int = 0
    """Lines that ended with their connection, without LF: they count as lines."""


Peer: TypeAlias = socket.socket


class Besieger:
    """All peers. They block where the daemon does not read."""

    def __init__(self, force: Force) -> None:
        self._force = force
        self.deeds = Deeds()
        self._idle = list(self._tcp(force.idle))
        self._slow = list(self._tcp(force.slow))
        self._endless = [[peer, 0] for peer in self._tcp(force.endless)]
        self._garbage = list(self._tcp(force.garbage))
        self._half = list(self._unix(force.half_frames))

    def go_on(self) -> None:
        """A little of everything."""
        for peer in self._slow:
            _say(peer, b"s")
        for line in self._endless:
            self._lengthen(line)
        for peer in self._garbage:
            if _say(peer, _garbage()):
                self.deeds.garbage_lines += GARBAGE_LINES

    def once(self) -> None:
        """What is over at once."""
        for peer in self._half:
            _say(peer, (50_000).to_bytes(4, "little") + b"a:1|c\n" * 100)
        for peer in self._unix(self._force.bad_frames):
            _say(peer, bytes(70_000))
            peer.close()
        for peer in self._tcp(self._force.resets):
            _say(peer, b"half a li")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()

    def leave(self) -> None:
        """Everyone goes, in good order."""
        self.deeds.unfinished_lines = len(self._slow)
        for peer in (*self._idle, *self._slow, *self._garbage, *self._half):
            peer.close()
        for peer, sent in self._endless:
            if sent:
                self.deeds.endless_lines += _say(peer, b"\n")
            peer.close()

    def _lengthen(self, line: list) -> None:  # type: ignore[type-arg]
        peer, sent = line
        if sent >= ENDLESS_BYTES:
            self.deeds.endless_lines += _say(peer, b"\n")
            line[1] = 0
        elif _say(peer, b"x" * PIECE_BYTES):
            line[1] += PIECE_BYTES

    def _tcp(self, count: int) -> Iterator[Peer]:
        return self._connected(socket.AF_INET, self._force.tcp, count)

    def _unix(self, count: int) -> Iterator[Peer]:
        return self._connected(socket.AF_UNIX, self._force.unix, count)

    def _connected(self, family: int, place: object, count: int) -> Iterator[Peer]:
        for _ in range(count):
            peer = socket.socket(family, socket.SOCK_STREAM)
            try:
                peer.settimeout(10)
                peer.connect(place)  # type: ignore[arg-type]
            except OSError:
                self.deeds.refused += 1
                peer.close()
            else:
                self.deeds.connects += 1
                yield peer


def _say(peer: Peer, text: bytes) -> bool:
    """Whether it could be said."""
    with contextlib.suppress(OSError):
        peer.sendall(text)
        return True
    return False


def _garbage() -> bytes:
    """Lines that are none: any bytes, but for what would end or part them."""
    noise = os.urandom(GARBAGE_LINES * 40).translate(_NEVER)
    return b"".join(noise[at : at + 40] + b"\n" for at in range(0, len(noise), 40))


def main() -> None:
    """Besieges as the first argument says."""
    said = json.loads(sys.argv[1])
    besieger = Besieger(Force(**{**said, "tcp": tuple(said["tcp"])}))
    besieger.once()
    while not select.select([sys.stdin], [], [], TICK_S)[0]:
        besieger.go_on()
    besieger.leave()
    print(json.dumps(asdict(besieger.deeds)), flush=True)


if __name__ == "__main__":
    main()
