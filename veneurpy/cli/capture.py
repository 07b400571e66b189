"""`veneurpy capture`: what a running node received last, or receives next, as a file."""

from __future__ import annotations

import http.client
import os
import time
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.parse import urlencode

import click

from veneurpy.capture.dogfile import CaptureError, CaptureFile
from veneurpy.capture.packing import packing
from veneurpy.cli.status import DEFAULT_ADDRESS, no_node
from veneurpy.config.quantity import parse_duration

TIMEOUT_S = 10.0
COPIED_AT_ONCE = 1 << 16


def _duration(_ctx: click.Context, _param: click.Parameter, text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


@click.command()
@click.option("--address", default=DEFAULT_ADDRESS, show_default=True, help="Its http_address.")
@click.option("--last", callback=_duration, metavar="DURATION", help="How far back, as in 30s.")
@click.option(
    "--next",
    "next_",
    callback=_duration,
    metavar="DURATION",
    help="How far on, as in 10s: at most 1h.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file; without it veneurpy-capture-<seconds>.dog.",
)
@click.option("--zstd", "is_compressed", is_flag=True, help="Compress it.")
def capture(
    address: str, last: float | None, next_: float | None, output: Path | None, is_compressed: bool
) -> None:
    """Write what a running node has received to a file.

    \b
    veneurpy capture --last 30s -o before.dog
    veneurpy capture --next 10s -o after.dog

    With neither --last nor --next: all that the node still has. The file has the format of
    Datadog's Agent; it holds what clients sent, and is readable for its owner alone.
    """
    asked = {name: f"{s}s" for name, s in (("last", last), ("next", next_)) if s is not None}
    base = address if "://" in address else f"http://{address}"
    target = output or Path(f"veneurpy-capture-{int(time.time())}.dog")
    part = target.with_name(f"{target.name}.part")
    try:
        with _opened(base, urlencode(asked), TIMEOUT_S + (next_ or 0.0)) as answer:
            _write(answer, part, base, is_compressed=is_compressed)
        text = _summary(part, target)
        part.replace(target)
    except CaptureError as exc:
        raise click.ClickException(str(exc)) from exc
    except OSError as exc:
        raise click.ClickException(f"{target} cannot be written: {exc.strerror}") from exc
    finally:
        part.unlink(missing_ok=True)
    click.echo(text)


def _opened(base: str, query: str, timeout_s: float) -> http.client.HTTPResponse:
    """The node's answer. Raises CaptureError where there is none."""
    # Never by a proxy of the environment: the page is the node's own.
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        answer: http.client.HTTPResponse = direct.open(
            f"{base.rstrip('/')}/api/v1/capture?{query}", timeout=timeout_s
        )
        return answer
    except HTTPError as exc:
        with exc:
            text = exc.read(1000).decode(errors="replace").strip()
        if exc.code == 404:
            text = "what answers there keeps no captures: no veneurpy of this version"
        raise CaptureError(f"{base}: {text}") from exc
    except (OSError, ValueError, http.client.HTTPException) as exc:
        raise CaptureError(no_node(base, exc)) from exc


def _write(answer: http.client.HTTPResponse, part: Path, base: str, *, is_compressed: bool) -> None:
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with (
        os.fdopen(fd, "wb") as plain,
        packing(plain) if is_compressed else plain as file,
    ):
        _copy(answer, file, base)


def _copy(answer: http.client.HTTPResponse, file: BinaryIO, base: str) -> None:
    while True:
        try:
            piece = answer.read1(COPIED_AT_ONCE)
        except (OSError, http.client.HTTPException) as exc:
            raise CaptureError(f"{base} went away in the middle: {exc}") from exc
        if not piece:
            return
        file.write(piece)


def _summary(part: Path, target: Path) -> str:
    """Reads the file back, and says what is in it."""
    count = size = first_ns = last_ns = 0
    with CaptureFile(part) as found:
        for datagram in found:
            first_ns = first_ns or datagram.time_ns
            last_ns = datagram.time_ns
            count += 1
            size += len(datagram.payload)
        missed = found.missed_bytes
    if missed:
        click.echo(
            f"warning: {missed} bytes were overwritten before they could be fetched: raise the "
            "node's capture_bytes",
            err=True,
        )
    if not count:
        return f"{target}: nothing was received in that time"
    return (
        f"{target}: {count} datagrams, {size} bytes, from {_time(first_ns)} to {_time(last_ns)} "
        f"({(last_ns - first_ns) / 1e9:.3f} s)"
    )


def _time(ns: int) -> str:
    return datetime.fromtimestamp(ns / 1e9, UTC).isoformat(sep=" ", timespec="milliseconds")
