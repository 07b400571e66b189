"""`veneurpy emit`: sends single metrics, events and service checks, and times commands.

The flags are those of Veneur's `veneur-emit`, with one dash or two, so that scripts keep working.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import click

from veneurpy import dogstatsd

DEFAULT_ADDRESS = "udp://127.0.0.1:8125"
EXIT_NOT_FOUND = 127
EXIT_NOT_EXECUTABLE = 126
EXIT_SIGNAL_BASE = 128


def flag(name: str, **options: Any) -> Callable[[Any], Any]:
    """An option that is spelled with one dash, as Go does, or with two."""
    return click.option(f"-{name}", f"--{name.replace('_', '-')}", name, **options)


def _seconds(_ctx: click.Context, _param: click.Parameter, text: str | None) -> float | None:
    if text is None:
        return None
    from veneurpy.config.quantity import parse_duration

    try:
        return parse_duration(text)
    except ValueError as exc:
        raise click.BadParameter(str(exc)) from exc


def _tags(_ctx: click.Context, _param: click.Parameter, text: str) -> list[str]:
    return text.split(",")


def _with_hyphens(token: str) -> str:
    return token.replace("_", "-")


@click.command(
    context_settings={
        "allow_interspersed_args": False,  # what follows the program is the program's
        "token_normalize_func": _with_hyphens,
    }
)
@flag(
    "hostport", default=DEFAULT_ADDRESS, show_default=True, help="Where to send: [udp://]host:port."
)
@flag("mode", type=click.Choice(["metric", "event", "sc"]), default="metric", show_default=True)
@flag("name", default="", help="Name of the metric.")
@flag("count", type=float, help="Add to a counter.")
@flag("gauge", type=float, help="Set a gauge.")
@flag(
    "timing",
    callback=_seconds,
    metavar="DURATION",
    help="A timer's sample, e.g. 1m30.5s; sent in milliseconds.",
)
@flag("histogram", type=float, help="A histogram's sample.")
@flag("set", help="Add a member to a set.")
@flag("tag", callback=_tags, metavar="TAGS", default="", help="Tags of everything sent: a:b,c.")
@flag(
    "command",
    is_flag=True,
    help="Run the rest of the line, time it as timer NAME, exit as it does.",
)
@flag("e_title", help="Title of the event.")
@flag("e_text", help="Text of the event.")
@flag("e_time", type=int, help="Unix seconds of the event.")
@flag("e_hostname", help="Host of the event.")
@flag("e_aggr_key", help="Key that groups events.")
@flag("e_priority", type=click.Choice(["normal", "low"]))
@flag("e_source_type", help="Source type of the event.")
@flag("e_alert_type", type=click.Choice(["info", "success", "warning", "error"]))
@flag("e_event_tags", callback=_tags, metavar="TAGS", default="", help="More tags of the event.")
@flag("sc_name", help="Name of the service check.")
@flag("sc_status", type=click.IntRange(0, 3), help="0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.")
@flag("sc_time", type=int, help="Unix seconds of the service check.")
@flag("sc_hostname", help="Host of the service check.")
@flag("sc_tags", callback=_tags, metavar="TAGS", default="", help="More tags of the service check.")
@flag("sc_msg", help="Message of the service check.")
@flag("debug", is_flag=True, help="Show on stderr what is sent.")
@click.argument("program", nargs=-1, type=click.UNPROCESSED)
def emit(**given: Any) -> None:
    """Send a metric, an event or a service check to a StatsD server.

    \b
    veneurpy emit --name page.views --count 1 --tag env:prod
    veneurpy emit --name job --command backup.sh /data
    """
    address = _address(given["hostport"])
    if bool(given["program"]) != given["command"]:
        raise click.UsageError("--command and a program to run need each other")
    if given["command"] and given["mode"] != "metric":
        raise click.UsageError("--command sends a timer: it goes with --mode metric only")
    try:
        lines = list(_LINES[given["mode"]](given))
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    exit_code = 0
    if given["command"]:
        exit_code, elapsed_s = _time_program(given["program"])
        milliseconds = round(elapsed_s * 1e3, 6)
        lines.append(dogstatsd.metric("timing", given["name"], milliseconds, given["tag"]))
    try:
        _send(address, lines, debug=given["debug"])
    except OSError as exc:
        click.echo(f"veneurpy emit: cannot send to {given['hostport']}: {exc.strerror}", err=True)
        exit_code = exit_code or 1
    sys.exit(exit_code)


def _metric_lines(given: dict[str, Any]) -> Iterator[str]:
    timing_ms = None if given["timing"] is None else round(given["timing"] * 1e3, 6)
    values = {
        "counter": given["count"],
        "gauge": given["gauge"],
        "timing": timing_ms,
        "histogram": given["histogram"],
        "set": given["set"],
    }
    sent = {kind: value for kind, value in values.items() if value is not None}
    if not given["name"]:
        raise ValueError("a metric needs a --name")
    if not sent and not given["command"]:
        raise ValueError(
            "give a value: --count, --gauge, --timing, --histogram, --set or --command"
        )
    for kind, value in sent.items():
        yield dogstatsd.metric(kind, given["name"], value, given["tag"])


def _event_lines(given: dict[str, Any]) -> Iterator[str]:
    if not given["e_title"] or given["e_text"] is None:
        raise ValueError("an event needs --e-title and --e-text")
    yield dogstatsd.event(
        given["e_title"],
        given["e_text"],
        timestamp_s=given["e_time"],
        host=given["e_hostname"],
        aggregation_key=given["e_aggr_key"],
        priority=given["e_priority"],
        source_type=given["e_source_type"],
        alert_type=given["e_alert_type"],
        tags=given["tag"] + given["e_event_tags"],
    )


def _check_lines(given: dict[str, Any]) -> Iterator[str]:
    if not given["sc_name"] or given["sc_status"] is None:
        raise ValueError("a service check needs --sc-name and --sc-status")
    yield dogstatsd.service_check(
        given["sc_name"],
        given["sc_status"],
        timestamp_s=given["sc_time"],
        host=given["sc_hostname"],
        message=given["sc_msg"],
        tags=given["tag"] + given["sc_tags"],
    )


_LINES = {"metric": _metric_lines, "event": _event_lines, "sc": _check_lines}


def _address(text: str) -> tuple[str, int]:
    url = urlsplit(text if "://" in text else f"udp://{text}")
    if url.scheme not in ("udp", "udp4", "udp6"):
        raise click.UsageError(f"only udp:// can be sent to so far, not {url.scheme}://")
    try:
        port = url.port
    except ValueError:
        port = None
    if not url.hostname or not port:
        raise click.UsageError(f"expected host:port in {text!r}, e.g. {DEFAULT_ADDRESS}")
    return url.hostname, port


def _time_program(program: Sequence[str]) -> tuple[int, float]:
    """Runs a program on this process's own input and output: (a shell's exit code, seconds)."""
    start = time.perf_counter()
    try:
        process = subprocess.Popen(program)
    except OSError as exc:
        click.echo(f"veneurpy emit: {program[0]}: {exc.strerror}", err=True)
        not_found = isinstance(exc, FileNotFoundError)
        sys.exit(EXIT_NOT_FOUND if not_found else EXIT_NOT_EXECUTABLE)
    while True:
        try:
            code = process.wait()
            break
        except KeyboardInterrupt:
            continue  # the terminal has sent it to the program too, whose answer counts
    return EXIT_SIGNAL_BASE - code if code < 0 else code, time.perf_counter() - start


def _send(address: tuple[str, int], lines: Sequence[str], *, debug: bool) -> None:
    """One datagram a line. Raises OSError, also when the host says that nobody listens there."""
    family, kind, protocol, _, where = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as sender:
        sender.connect(where)
        for line in lines:
            if debug:
                click.echo(line, err=True)
            sender.send(line.encode("utf-8", "surrogateescape"))
        if error := sender.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
