"""What the budgets of names demand of one another."""

from __future__ import annotations

from veneurpy.config.model import Config
from veneurpy.config.report import Report


def check_budgets(config: Config, report: Report) -> None:
    """Raises ConfigError for a budget that no name gets to."""
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
