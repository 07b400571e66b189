"""Mistakes and warnings, gathered and shown together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NoReturn

from veneurpy.config.place import Place, Places
from veneurpy.errors import ConfigError, InternalError


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong."""

    place: Place
    what: str
    suggestion: str = ""

    def __str__(self) -> str:
        parts = [f"{self.place.label}: {self.what}"]
        if self.place.excerpt:
            parts.append(self.place.excerpt)
        if self.suggestion:
            parts.append(f"      = did you mean {self.suggestion}?")
        return "\n".join(parts)


@dataclass(slots=True)
class Report:
    """Everything that is to be said about one configuration."""

    places: Places
    mistakes: list[Mistake] = field(default_factory=list)
    warnings: list[tuple[Place, str]] = field(default_factory=list)

    def mistake(self, place: Place, what: str, suggestion: str = "") -> None:
        """Adds what makes the configuration unusable."""
        self.mistakes.append(Mistake(place, what, suggestion))

    def fail(self, place: Place, what: str, suggestion: str = "") -> NoReturn:
        """Adds what leaves nothing further to check, and raises."""
        self.mistake(place, what, suggestion)
        self.raise_mistakes()
        raise InternalError("a report with a mistake in it raises")

    def warning(self, place: Place, what: str) -> None:
        """Adds what the operator should know."""
        self.warnings.append((place, what))

    def rendered_warnings(self) -> list[str]:
        """One line each, in the order of the file."""
        ordered = sorted(self.warnings, key=lambda warning: warning[0].order)
        return [f"{place.label}: {what}" for place, what in ordered]

    def raise_mistakes(self) -> None:
        """Raises ConfigError with all mistakes, in the order of the file, if there are any."""
        if not self.mistakes:
            return
        ordered = sorted(self.mistakes, key=lambda mistake: mistake.place.order)
        count = "1 mistake" if len(ordered) == 1 else f"{len(ordered)} mistakes"
        texts = [str(mistake) for mistake in ordered]
        if any(mistake.place.label.startswith(self.places.source) for mistake in ordered):
            count += f" in {self.places.source}"
        raise ConfigError("\n\n".join([*texts, count]))
