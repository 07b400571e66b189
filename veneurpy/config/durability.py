"""What `state_dir`, `arena_dir`, `shutdown` and `engine` demand of one another."""

from __future__ import annotations

from pathlib import PurePath

from veneurpy.config.model import Config
from veneurpy.config.report import Report


def check_durability(config: Config, report: Report) -> None:
    """Raises ConfigError for settings that promise what they cannot keep."""
    places = {key: report.places.of((key,), key=True) for key in ("state_dir", "arena_dir")}
    given = [key for key in places if getattr(config, key)]
    if config.engine == "python":
        for key in given:
            what = f'"{key}" needs `engine: native`: the Python engine is in memory only'
            report.mistake(places[key], what)
    elif len(given) == 1:
        (missing,) = set(places) - set(given)
        report.mistake(
            places[given[0]],
            f'"{given[0]}" needs "{missing}" beside it: the open interval is in arena_dir, on '
            "tmpfs, and what is closed in state_dir, on disk",
        )
    elif given and PurePath(config.state_dir) == PurePath(config.arena_dir):
        report.mistake(places["arena_dir"], '"arena_dir" and "state_dir" are the same directory')
    if config.shutdown == "handover" and not given:
        place = report.places.of(("shutdown",))
        report.mistake(place, "shutdown: `handover` needs state_dir and arena_dir")
    report.raise_mistakes()
