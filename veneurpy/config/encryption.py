"""What the keys of TLS demand of one another and of the listeners."""

from __future__ import annotations

from veneurpy.config.model import Config
from veneurpy.config.report import Report


def check_encryption(config: Config, report: Report) -> None:
    """Raises ConfigError for TLS that cannot be, and warns of what has no effect."""
    key, certificate = bool(config.tls_key), bool(config.tls_certificate)
    if key != certificate:
        given, missing = ("tls_key", "tls_certificate") if key else ("tls_certificate", "tls_key")
        place = report.places.of((given,), key=True)
        report.mistake(place, f'"{given}" needs "{missing}" beside it')
    for listening in ("statsd_listen_addresses", "grpc_listen_addresses"):
        for index, url in enumerate(getattr(config, listening)):
            if url.scheme == "tls" and not certificate:
                place = report.places.of((listening, index))
                report.mistake(place, f"{url} needs tls_certificate and tls_key")
    for needed, dependent in (
        ("tls_certificate", "tls_authority_certificate"),
        ("tls_authority_certificate", "tls_allowed_names"),
    ):
        if getattr(config, dependent) and not getattr(config, needed):
            place = report.places.of((dependent,), key=True)
            report.mistake(place, f'"{dependent}" needs "{needed}": it would protect nothing')
    report.raise_mistakes()
