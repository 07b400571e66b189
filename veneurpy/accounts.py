"""The accounts between nodes: of what a host forwards and of what an owner takes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal
from uuid import UUID

from veneurpy.ledger import Equation

LossWord = Literal["rejected", "given_up", "in_doubt"]
MOST_NAMED = 1000


@dataclass(slots=True)
class Sums:
    """Batches and what is in them."""

    batches: int = 0
    series: int = 0
    samples: int = 0

    def add(self, batches: int, series: int, samples: int) -> None:
        self.batches += batches
        self.series += series
        self.samples += samples


@dataclass(frozen=True, slots=True)
class Loss:
    """One batch that did not get through, or of which nobody knows."""

    word: LossWord
    reason: str
    owner: str
    uuid: UUID
    part: int
    start_ms: int
    series: int
    samples: int

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self) | {"uuid": str(self.uuid)}


class HostAccounts:
    """encoded = done + rejected + given up + in doubt + pending. Any thread."""

    def __init__(self, name: str = "forward") -> None:
        self._name = name
        self.lock = threading.Lock()
        """Held while something moves from one account to another."""
        self.encoded, self.restored, self.done, self.pending = Sums(), Sums(), Sums(), Sums()
        self.divided, self.pieces = Sums(), Sums()
        """Batches that were cut anew for other owners, and what they were cut into."""
        self.lost: dict[LossWord, dict[str, Sums]] = {
            "rejected": {},
            "given_up": {},
            "in_doubt": {},
        }
        self.named: deque[Loss] = deque(maxlen=MOST_NAMED)
        """The last that were lost."""

    def lose(self, loss: Loss) -> None:
        """Books a batch that is pending no more. Under the lock."""
        by_reason = self.lost[loss.word]
        by_reason.setdefault(loss.reason, Sums()).add(1, loss.series, loss.samples)
        self.named.append(loss)

    def equations(self) -> Iterator[Equation]:
        """For batches and for the samples in them."""
        with self.lock:
            for unit in ("batches", "samples"):
                yield self._equation(unit)

    def _equation(self, unit: str) -> Equation:
        def of(sums: Sums) -> int:
            count: int = getattr(sums, unit)
            return count

        left, name = of(self.encoded) + of(self.restored), "encoded and restored"
        right = {"done": of(self.done)}
        for word, reasons in self.lost.items():
            right |= {f"{word}.{reason}": of(sums) for reason, sums in reasons.items()}
        if self.divided.batches:
            left, name = left + of(self.pieces), "encoded, restored and divided anew"
            right["divided"] = of(self.divided)
        right["pending"] = of(self.pending)
        return Equation(f"forwarded {unit}", self._name, (name, left), right)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        with self.lock:
            sums = {
                name: asdict(getattr(self, name))
                for name in ("encoded", "restored", "done", "pending", "divided", "pieces")
            }
            for word, reasons in self.lost.items():
                sums[word] = {reason: asdict(sum_) for reason, sum_ in reasons.items()}
            return sums | {"named": [loss.as_dict() for loss in self.named]}


@dataclass(slots=True)
class OwnerAccounts:
    """accepted = sealed + open + late. Any thread."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    accepted: Sums = field(default_factory=Sums)
    sealed: Sums = field(default_factory=Sums)
    open: Sums = field(default_factory=Sums)
    late: Sums = field(default_factory=Sums)
    """Of intervals that had been sealed before."""
    metrics_rejected: dict[str, int] = field(default_factory=dict)
    """Single metrics of good batches, by reason."""

    def equations(self) -> Iterator[Equation]:
        """For batches and for the samples in them."""
        with self.lock:
            for unit in ("batches", "samples"):
                right = {
                    name: getattr(getattr(self, name), unit) for name in ("sealed", "open", "late")
                }
                left = ("accepted", getattr(self.accepted, unit))
                yield Equation(f"imported {unit}", "owner", left, right)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        with self.lock:
            names = ("accepted", "sealed", "open", "late")
            sums = {name: asdict(getattr(self, name)) for name in names}
            return sums | {"metrics_rejected": dict(self.metrics_rejected)}
