"""Who sends, beyond an address: containers, what lines say, and the tags made of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from veneurpy.engine.side_lines import CHECK_PREFIX, EVENT_PREFIX, event_parts
from veneurpy.engine.types import OriginTag, Process

_REMEMBERED_NS = 10_000_000_000
_MOST_PROCESSES = 1024
_GROUP_BYTES = 4096
_SHOWN_ID = 36
_CONTAINER = re.compile(
    rb"(?<![0-9a-f])(?:[0-9a-f]{64}(?![0-9a-f])|[0-9a-f]{32}-[0-9]{1,31}(?![0-9]))"
)
_PLAIN = re.compile(rb"[0-9A-Za-z._-]{1,64}")


class Claims(NamedTuple):
    """What a line says of where it comes from."""

    container: bytes = b""
    name: bytes = b""
    pod: bytes = b""
    cardinality: bytes = b""


class Processes:
    """The containers of processes, looked up in their control groups and remembered for a while."""

    def __init__(self, proc_dir: str) -> None:
        self._proc = Path(proc_dir)
        self._known: dict[int, tuple[int, int, bytes]] = {}

    def container(self, process: Process | None, now_ns: int) -> bytes:
        """The id of its container; nothing if it runs in none, or that is not ours to know."""
        if process is None or not process.pid:
            return b""
        slot = process.pid % _MOST_PROCESSES
        pid, until_ns, container = self._known.get(slot, (0, 0, b""))
        if pid != process.pid or not 0 <= until_ns - now_ns <= _REMEMBERED_NS:
            container = self._look_up(process.pid)
            self._known[slot] = (process.pid, now_ns + _REMEMBERED_NS, container)
        return container

    def _look_up(self, pid: int) -> bytes:
        try:
            with (self._proc / str(pid) / "cgroup").open("rb") as file:
                text = file.read(_GROUP_BYTES)
        except OSError:
            return b""
        return container_in(text)


def container_in(groups: bytes) -> bytes:
    """The container that the first line which names one names last."""
    for line in groups.split(b"\n"):
        if found := _CONTAINER.findall(line):
            return bytes(found[-1])
    return b""


def name_of(container: bytes, process: Process | None) -> str:
    """How the accounts of clients call it; "" where nothing is known."""
    if container:
        return "container:" + container[:_SHOWN_ID].decode()
    if process is None:
        return ""
    return f"uid:{process.uid} pid:{process.pid}" if process.pid else f"uid:{process.uid}"


def claims_of(line: bytes) -> Claims:
    """Read from the fields of a line; of repeated ones the last counts."""
    claims = Claims()
    for field in _parts(line)[1:]:
        if field.startswith(b"c:"):
            claims = claims._replace(container=_local(field[2:]))
        elif field.startswith(b"e:"):
            claims = claims._replace(name=_item(field[2:], b"cn-"), pod=_item(field[2:], b"pu-"))
        elif field.startswith(b"card:"):
            claims = claims._replace(cardinality=_plain(field[5:]))
    return claims


def with_origin(
    line: bytes,
    wanted: tuple[OriginTag, ...],
    container: bytes,
    process: Process | None,
    *,
    has_name_tags: bool,
) -> bytes:
    """A line as if its sender had tagged it. `container` is what the kernel says."""
    parts = _parts(line)
    tags = b",".join(_tags(wanted, claims_of(line), container, process))
    if not parts or not tags or (has_name_tags and _may_name_tags(line)):
        return line
    places = [at for at, field in enumerate(parts) if at and field.startswith(b"#")]
    if not places:
        return line + b"|#" + tags
    parts[places[-1]] += (b"," if len(parts[places[-1]]) > 1 else b"") + tags
    return b"|".join(parts)


def _parts(line: bytes) -> list[bytes]:
    """What a line says, then its fields; nothing for what cannot have fields.

    Tags would hide what is wrong with it.
    """
    if line.startswith(EVENT_PREFIX):
        event = event_parts(line)
        return [] if event is None else [line[: event[2]], *line[event[2] :].split(b"|")[1:]]
    # Name and values, and the type; a check has its sign before its name and status.
    said = 3 if line.startswith(CHECK_PREFIX) else 2
    parts = line.split(b"|")
    return [b"|".join(parts[:said]), *parts[said:]] if len(parts) >= said else []


def _may_name_tags(line: bytes) -> bool:
    """Whether the name may contain tags in some style: others beside them would be one too many."""
    is_metric = not line.startswith((EVENT_PREFIX, CHECK_PREFIX))
    return is_metric and any(sign in line.partition(b":")[0] for sign in b",#;[")


def _tags(
    wanted: tuple[OriginTag, ...], claims: Claims, container: bytes, process: Process | None
) -> list[bytes]:
    values = {
        OriginTag.CONTAINER_ID: claims.container or container,
        OriginTag.CONTAINER_NAME: claims.name,
        OriginTag.POD_UID: claims.pod,
        OriginTag.CARDINALITY: claims.cardinality,
        OriginTag.PID: b"%d" % process.pid if process and process.pid else b"",
        OriginTag.UID: b"%d" % process.uid if process else b"",
    }
    return [
        b"%s:%s" % (tag.name.lower().encode(), values[tag])
        for tag in OriginTag
        if tag in wanted and values[tag]
    ]


def _local(items: bytes) -> bytes:
    """The container of a `c:` field: ci-, cid-, or a bare id; in- is an inode."""
    found = b""
    for item in items.split(b","):
        if item.startswith(b"ci-"):
            found = _plain(item[3:])
        elif item.startswith(b"cid-"):
            found = _plain(item[4:])
        elif not item.startswith(b"in-"):
            found = _plain(item)
    return found


def _item(items: bytes, prefix: bytes) -> bytes:
    found = [item[len(prefix) :] for item in items.split(b",") if item.startswith(prefix)]
    return _plain(found[-1]) if found else b""


def _plain(word: bytes) -> bytes:
    """A word that can be a tag's value, or nothing."""
    return word if _PLAIN.fullmatch(word) else b""
