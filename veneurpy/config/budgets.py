"""What the bounds of memory and series demand of one another."""

from __future__ import annotations

from veneurpy.config.model import Config
from veneurpy.config.quantity import format_size
from veneurpy.config.report import Report

READER_BYTES = 2 << 20
"""What the stores of one reader take at least."""


def check_budgets(config: Config, report: Report) -> None:
    """Raises ConfigError for a budget that no name gets to, and a store that is too small."""
    readers = config.num_readers * len(config.statsd_listen_addresses)
    readers += len(config.grpc_listen_addresses)
    if config.store_max_bytes < readers * READER_BYTES:
        report.mistake(
            report.places.of(("store_max_bytes",)),
            f"store_max_bytes: {readers} readers (num_readers for each listener) need at least "
            f"{format_size(readers * READER_BYTES)}",
        )
    for number, budget in enumerate(config.budgets):
        for before in config.budgets[:number]:
            if budget.prefix.startswith(before.prefix):
                report.mistake(
                    report.places.of(("budgets", number, "prefix")),
                    f'budgets[{number}].prefix: no name gets here: "{before.prefix}" above takes '
                    "all of them; put the longer prefix first",
                )
                break
    report.raise_mistakes()
