"""Changes who the members of the ring are: every old and every new one agrees beforehand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from veneurpy.errors import VeneurpyError
from veneurpy.forward.epochs import Epoch, EpochInvalid, EpochTable, RingHash
from veneurpy.forward.ring_plan import plan
from veneurpy.ports import Clock, Member, PeerUnavailable

SHORTEST_LEAD_S = 10.0
ATTEMPTS = 3
PAUSE_S = 1.0


class RingError(VeneurpyError):
    """A change of the ring that is not made; the text says why and how to go on."""


class OwnRing(Protocol):
    """This node's own member lists, as `forward.owner.Owner` has them."""

    def table(self) -> EpochTable: ...
    async def adopt(self, epoch: Epoch) -> bool: ...


class RingAdmin:
    """`show`, `plan` and `apply`, for the admin listener. Everything returned is plain data.

    `member` gives a peer of that name; for this node's own name it is not asked.
    """

    def __init__(
        self,
        name: str,
        *,
        own: OwnRing,
        member: Callable[[str], Member],
        clock: Clock,
        interval_ms: int,
    ) -> None:
        self._name = name
        self._own = own
        self._member = member
        self._clock = clock
        self._interval_ms = interval_ms
        self._applying = asyncio.Lock()

    def __repr__(self) -> str:
        return f"RingAdmin({self._name!r}, {self._own.table()!r})"

    async def show(self) -> dict[str, Any]:
        """The member lists here, and whether every member goes by the same."""
        own = self._own.table()
        now = self._now_ms()
        found = await self._tables(_names(own))
        return {
            "node": self._name,
            "active": own.at(now).number,
            "epochs": [_plain(epoch) for epoch in own.epochs],
            "members": {name: _opinion(own, said) for name, said in found.items()},
        }

    async def plan(self, members: Sequence[str], hash: RingHash | None = None) -> dict[str, Any]:
        """What these members would mean. Raises RingError."""
        last = self._own.table().latest
        wanted = self._wanted(members, hash)
        made = await asyncio.to_thread(plan, last.members, last.hash, wanted.members, wanted.hash)
        return {
            "epoch": wanted.number,
            "hash": wanted.hash,
            "joining": sorted(set(wanted.members) - set(last.members)),
            "leaving": sorted(set(last.members) - set(wanted.members)),
            "shares": {
                name: {"before": made.before.get(name, 0.0), "after": made.after.get(name, 0.0)}
                for name in sorted({*made.before, *made.after})
            },
            "moving": made.moving,
            "moves": [{"from": a, "to": b, "share": s} for (a, b), s in made.moves.items()],
            "max_over_mean": made.max_over_mean,
        }

    async def apply(
        self, members: Sequence[str], hash: RingHash | None = None, *, lead_s: float = 60.0
    ) -> dict[str, Any]:
        """Makes these the members of every interval that starts `lead_s` from now or later.

        Raises RingError and has changed nothing if a member does not answer or goes by other lists.
        """
        if not lead_s >= SHORTEST_LEAD_S:
            raise RingError(f"the members need time to agree: at least {SHORTEST_LEAD_S:g} s")
        if self._applying.locked():
            raise RingError("another change is being made here: wait for its end")
        async with self._applying:
            wanted = self._wanted(members, hash, lead_s)
            concerned = sorted({*_names(self._own.table()), *wanted.members})
            await self._agree(concerned)
            refusals = await self._adopt(wanted, concerned)
        if refusals:
            told = "; ".join(f"{name}: {why}" for name, why in sorted(refusals.items()))
            raise RingError(
                f"epoch {wanted.number} begins at {wanted.from_ms}, but {told}. Batches for them "
                "wait until they agree: mend that, then apply the same members once more"
            )
        return {"epoch": _plain(wanted), "adopted_by": concerned}

    def _wanted(self, members: Sequence[str], hash: RingHash | None, lead_s: float = 0.0) -> Epoch:
        last = self._own.table().latest
        if not members or len(set(members)) != len(members) or not all(members):
            raise RingError("name each member once")
        step = self._interval_ms
        from_ms = -(-(self._now_ms() + round(lead_s * 1000)) // step) * step
        return Epoch(
            last.number + 1, max(from_ms, last.from_ms + step), tuple(members), hash or last.hash
        )

    async def _agree(self, names: Sequence[str]) -> None:
        """Gives every member the lists that it misses. Raises RingError where that cannot be."""
        own = self._own.table()
        found = await self._tables(names)
        silent = {name: said for name, said in found.items() if isinstance(said, str)}
        if silent:
            told = "; ".join(f"{name}: {why}" for name, why in sorted(silent.items()))
            raise RingError(f"not every member answers, so nothing was changed: {told}")
        for name, said in found.items():
            assert isinstance(said, EpochTable)
            if not _is_consistent(own, said):
                raise RingError(
                    f"{name} goes by other member lists, so nothing was changed: compare `veneurpy "
                    "ring show` of both, and apply at the one with the higher epoch"
                )
            for epoch in own.epochs:
                if epoch.number > said.latest.number:
                    # One that comes too late for it goes by the next, which it is asked about too.
                    await self._ask(name, epoch)
        await self._may(names)

    async def _may(self, names: Sequence[str]) -> None:
        """Raises RingError unless every member lets this node change its lists.

        Each is asked for the latest, which it has: nothing changes by that.
        """
        latest = self._own.table().latest
        for name in names:
            try:
                if name != self._name:
                    await self._member(name).adopt(latest)
            except PeerUnavailable as exc:
                raise RingError(
                    f"not every member lets {self._name} change the ring, so nothing was changed: "
                    f"{name}: {exc}"
                ) from exc

    async def _adopt(self, epoch: Epoch, names: Iterable[str]) -> dict[str, str]:
        """Who did not adopt it, and why. This node comes last."""
        refusals: dict[str, str] = {}
        others = [name for name in names if name != self._name]
        for attempt in range(ATTEMPTS):
            answers = await asyncio.gather(*(self._ask(name, epoch) for name in others))
            refusals = {n: why for n, why in zip(others, answers, strict=True) if why}
            if not refusals:
                break
            others = list(refusals)
            if attempt + 1 < ATTEMPTS:
                await self._clock.sleep(PAUSE_S)
        if why := await self._ask(self._name, epoch):
            refusals[self._name] = why
        return refusals

    async def _ask(self, name: str, epoch: Epoch) -> str:
        """Has a member adopt a list: why it did not, or ""."""
        try:
            adopts = self._own if name == self._name else self._member(name)
            return "" if await adopts.adopt(epoch) else "it has intervals from after that time"
        except (PeerUnavailable, EpochInvalid) as exc:
            return str(exc)

    async def _tables(self, names: Sequence[str]) -> dict[str, EpochTable | str]:
        """What each member goes by, or why it did not say."""

        async def ask(name: str) -> EpochTable | str:
            if name == self._name:
                return self._own.table()
            try:
                return await self._member(name).table()
            except PeerUnavailable as exc:
                return str(exc)

        return dict(zip(names, await asyncio.gather(*map(ask, names)), strict=True))

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000


def _names(table: EpochTable) -> list[str]:
    """The members of the last two lists: those who still answer for something."""
    return sorted({name for epoch in table.epochs[-2:] for name in epoch.members})


def _is_consistent(own: EpochTable, other: EpochTable) -> bool:
    """Whether the other knows no list that is not ours too. It may have forgotten old ones."""
    return all(
        epoch in own.epochs for epoch in other.epochs if epoch.number >= own.epochs[0].number
    )


def _opinion(own: EpochTable, said: EpochTable | str) -> dict[str, Any]:
    if isinstance(said, str):
        return {"agrees": None, "error": said}
    return {
        "agrees": _is_consistent(own, said) and own.latest in said.epochs,
        "epoch": said.latest.number,
    }


def _plain(epoch: Epoch) -> dict[str, Any]:
    return {
        "number": epoch.number,
        "from_ms": epoch.from_ms,
        "members": list(epoch.members),
        "hash": epoch.hash,
    }
