"""What people call a type; for the documentation and the reading of variables."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Called:
    """Stands in an `Annotated` and names the type: `duration`, `size`."""

    name: str
