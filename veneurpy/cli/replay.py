"""`veneurpy replay`: sends a capture to whoever listens."""

from __future__ import annotations

import ssl
from pathlib import Path

import click

from veneurpy.capture.dogfile import CaptureError, CaptureFile
from veneurpy.capture.sending import Sender, Sent
from veneurpy.capture.sending import replay as send_all
from veneurpy.config.listen import ListenUrl, parse_listen_url
from veneurpy.config.wrong import Wrong


def _url(_ctx: click.Context, _param: click.Parameter, text: str) -> ListenUrl:
    try:
        return parse_listen_url(text)
    except Wrong as exc:
        hint = f": did you mean {exc.suggestion}?" if exc.suggestion else ""
        raise click.BadParameter(f"{exc}{hint}") from exc


def _speed(_ctx: click.Context, _param: click.Parameter, text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = 1.0 if text == "original" else float(text)
    except ValueError:
        speed = 0.0
    if not 0.001 <= speed <= 1e6:
        raise click.BadParameter("expected original, max, or a number such as 2 or 0.5")
    return speed


_PEM = click.Path(dir_okay=False, exists=True, path_type=Path)


def _context(authority: Path | None, certificate: Path | None, key: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=authority)
        if certificate is not None:
            context.load_cert_chain(certificate, key)
    except OSError as exc:
        files = ", ".join(str(path) for path in (authority, certificate, key) if path is not None)
        raise click.UsageError(f"{files}: unreadable, or no PEM: {exc.strerror or exc}") from exc
    return context


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--to",
    "url",
    callback=_url,
    required=True,
    metavar="URL",
    help="udp://, tcp:// or tls://host:port; unixgram://, unix:// or unixpacket:///path.",
)
@click.option(
    "--speed",
    callback=_speed,
    default="original",
    show_default=True,
    help="original, max, or how many times as fast.",
)
@click.option("--tls-authority", type=_PEM, help="Who signs the certificate of tls://host:port.")
@click.option("--tls-certificate", type=_PEM, help="The certificate to show there.")
@click.option("--tls-key", type=_PEM, help="The key of the certificate.")
def replay(
    file: Path,
    url: ListenUrl,
    speed: float | None,
    tls_authority: Path | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
) -> None:
    """Send what is in a capture FILE, and end.

    It may be one of veneurpy or of Datadog's Agent.

    \b
    veneurpy replay before.dog --to udp://127.0.0.1:8125
    veneurpy replay before.dog --to unixgram:///run/dsd.socket --speed max
    """
    context = None
    if url.scheme == "tls":
        context = _context(tls_authority, tls_certificate, tls_key)
    try:
        with CaptureFile(file) as capture:
            sender = Sender(url, context)
            try:
                sent = send_all(capture, sender.send, speed=speed)
            finally:
                sender.close()
    except CaptureError as exc:
        raise click.ClickException(str(exc)) from exc
    click.echo(_summary(sent, url))


def _summary(sent: Sent, url: ListenUrl) -> str:
    text = f"sent {sent.datagrams} datagrams, {sent.bytes} bytes, to {url} in {sent.seconds:.3f} s"
    return f"{text}; {sent.too_long} lines were too long to be sent" if sent.too_long else text
