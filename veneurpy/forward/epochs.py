"""Who owns what, from which interval on: configured names, never addresses."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from veneurpy.errors import VeneurpyError

RingHash = Literal["rendezvous", "veneur"]

ANYBODY = 0
"""The number of the epoch whose one member is whoever is found at an address."""


class EpochInvalid(VeneurpyError):
    """A member list cannot follow those before it; the text says why."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """The members for every interval that starts at `from_ms` or later, until the next epoch."""

    number: int
    from_ms: int
    members: tuple[str, ...]
    hash: RingHash = "rendezvous"


class EpochTable:
    """The member lists in order. Immutable."""

    __slots__ = ("epochs",)

    def __init__(self, epochs: Iterable[Epoch]) -> None:
        """Raises EpochInvalid if they contradict one another, or if there is none."""
        self.epochs = tuple(sorted(epochs, key=lambda epoch: epoch.number))
        if not self.epochs:
            raise EpochInvalid("a ring needs at least one list of members")
        for epoch in self.epochs:
            if not epoch.members or len(set(epoch.members)) != len(epoch.members):
                raise EpochInvalid(f"epoch {epoch.number} names no member, or one of them twice")
        for before, after in zip(self.epochs, self.epochs[1:], strict=False):
            if before.number == after.number or before.from_ms >= after.from_ms:
                raise EpochInvalid(
                    f"epoch {after.number} (from {after.from_ms}) must have a higher number and "
                    f"begin later than epoch {before.number} (from {before.from_ms})"
                )

    def __repr__(self) -> str:
        return f"EpochTable({list(self.epochs)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EpochTable) and self.epochs == other.epochs

    def __hash__(self) -> int:
        return hash(self.epochs)

    @property
    def latest(self) -> Epoch:
        return self.epochs[-1]

    def at(self, start_ms: int) -> Epoch:
        """The members of the interval that starts then; before the first epoch, the first one's."""
        for epoch in reversed(self.epochs):
            if epoch.from_ms <= start_ms:
                return epoch
        return self.epochs[0]

    def plus(self, epoch: Epoch) -> EpochTable:
        """With one more, or itself if it has it. Raises EpochInvalid."""
        if epoch in self.epochs:
            return self
        return EpochTable([*self.epochs, epoch])

    def merged(self, other: EpochTable) -> EpochTable:
        """With what another node knows beyond this table. Raises EpochInvalid."""
        newer = [epoch for epoch in other.epochs if epoch.number > self.latest.number]
        return EpochTable([*self.epochs, *newer]) if newer else self

    def is_kin(self, other: EpochTable) -> bool:
        """Whether both may be of one ring: they have a list in common, or ours began as anybody's.

        When it began and in which order it is written does not matter: configurations differ there.
        """
        is_common = any(self.has(epoch) for epoch in other.epochs)
        return self.epochs[0].number == ANYBODY or is_common

    def has(self, epoch: Epoch) -> bool:
        """Whether a list of that number, members and hash is here, whenever it begins."""
        return _list_of(epoch) in map(_list_of, self.epochs)

    def names(self, member: str) -> bool:
        """Whether it is a member of any list."""
        return any(member in epoch.members for epoch in self.epochs)


def _list_of(epoch: Epoch) -> tuple[int, frozenset[str], RingHash]:
    return epoch.number, frozenset(epoch.members), epoch.hash
