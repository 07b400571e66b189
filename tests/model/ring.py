"""Hosts, owners, a network and a sink, for one interval: the protocol in its smallest form.

Time is adversarial: a seal, a late batch, the end of all patience may come at any moment.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Literal, NamedTuple

from tests.model.explorer import Protocol, replaced

Mutation = Literal[
    "acknowledge what is held",
    "draw the identity at the start",
    "rows, then identities",
    "forget identities early",
    "send to any owner",
]
Id = tuple[int, int]
"""(host, which process of it named the batch; 0 in the real protocol)."""
NOTHING: frozenset[Id] = frozenset()


class Host(NamedTuple):
    """`spool` has (batch, "pending" | "done" | "given_up" | "in_doubt")."""

    has_arena: bool = True
    is_encoded: bool = False
    process: int = 0
    spool: frozenset[tuple[Id, str]] = frozenset()


class Owner(NamedTuple):
    """`rows` has (all that is in, what is new), of which the sink has the first `cursor`."""

    open: frozenset[Id] = NOTHING
    late: frozenset[Id] = NOTHING
    seen: frozenset[Id] = NOTHING
    is_sealed: bool = False
    rows: tuple[tuple[frozenset[Id], frozenset[Id]], ...] = ()
    cursor: int = 0
    unrecorded: frozenset[Id] = NOTHING


class State(NamedTuple):
    """All there is."""

    hosts: tuple[Host, ...]
    owners: tuple[Owner, ...]
    net: frozenset[tuple[Id, int]] = frozenset()
    """What was sent to which owner; it may arrive at any time, and again."""
    final: frozenset[Id] = NOTHING
    """What an overwriting sink shows."""
    added: tuple[Id, ...] = ()
    """What an adding sink has added up."""
    is_unsure: bool = False
    """An answer of the sink was lost once."""
    is_over: bool = False
    """All patience is at an end."""
    host_crashes: int = 1
    owner_crashes: int = 1


class Ring:
    """The protocol, or one with a mutation; for a sink that overwrites or one that adds."""

    def __init__(
        self,
        mutation: Mutation | None = None,
        *,
        hosts: int = 2,
        host_crashes: int = 1,
        owner_crashes: int = 1,
        adds: bool = False,
        ages: bool = True,
    ) -> None:
        self._mutation = mutation
        self._adds = adds
        self._ages = ages
        owners = 2 if mutation == "send to any owner" else 1
        self._start = State(
            (Host(),) * hosts,
            (Owner(),) * owners,
            host_crashes=host_crashes,
            owner_crashes=owner_crashes,
        )

    @property
    def protocol(self) -> Protocol[State]:
        return Protocol(self._start, self._steps, is_final, self._is_good)

    def _steps(self, state: State) -> Iterator[tuple[str, State]]:
        for number, host in enumerate(state.hosts):
            yield from self._host_steps(state, number, host)
        yield from self._arrivals(state)
        for number, owner in enumerate(state.owners):
            yield from self._owner_steps(state, number, owner)
        if self._ages and not state.is_over:
            owners = state.owners
            if self._mutation == "forget identities early":
                owners = tuple(o._replace(open=NOTHING, late=NOTHING, seen=NOTHING) for o in owners)
            yield "patience ends", state._replace(is_over=True, owners=owners)

    def _host_steps(self, state: State, number: int, host: Host) -> Iterator[tuple[str, State]]:
        def put(changed: Host, **more: object) -> State:
            hosts = replaced(state.hosts, number, changed)
            return state._replace(hosts=hosts, **more)  # type: ignore[arg-type]

        is_redrawn = self._mutation == "draw the identity at the start"
        id = (number, host.process if is_redrawn else 0)
        if host.has_arena and not host.is_encoded:
            spool = host.spool | {(id, "pending")}
            yield f"host {number} encodes", put(host._replace(is_encoded=True, spool=spool))
        if host.has_arena and host.is_encoded:
            yield f"host {number} frees", put(host._replace(has_arena=False))
        if state.host_crashes:
            is_encoded = host.is_encoded and not (is_redrawn and host.has_arena)
            reborn = host._replace(process=host.process + 1, is_encoded=is_encoded)
            yield f"host {number} dies", put(reborn, host_crashes=state.host_crashes - 1)
        for id, fate in host.spool:
            if fate == "pending":
                yield from self._pending_steps(state, number, host, id)

    def _pending_steps(
        self, state: State, number: int, host: Host, id: Id
    ) -> Iterator[tuple[str, State]]:
        def settled(fate: str) -> State:
            spool = host.spool - {(id, "pending")} | {(id, fate)}
            return state._replace(hosts=replaced(state.hosts, number, host._replace(spool=spool)))

        for owner in range(len(state.owners)):
            if (id, owner) not in state.net:
                yield f"{id} to owner {owner}", state._replace(net=state.net | {(id, owner)})
        if any(self._is_done(owner, id) for owner in state.owners):
            yield f"{id} done", settled("done")
        if state.is_over:
            is_sent = any(sent == id for sent, _ in state.net)
            fate = "in_doubt" if is_sent else "given_up"
            yield f"{id} {fate}", settled(fate)

    def _is_done(self, owner: Owner, id: Id) -> bool:
        is_held = id in owner.open or id in owner.late
        return id in owner.seen or (self._mutation == "acknowledge what is held" and is_held)

    def _arrivals(self, state: State) -> Iterator[tuple[str, State]]:
        if state.is_over and self._mutation != "forget identities early":
            return
        for id, number in state.net:
            owner = state.owners[number]
            if id not in owner.seen | owner.open | owner.late:
                if owner.is_sealed:
                    owner = owner._replace(late=owner.late | {id})
                else:
                    owner = owner._replace(open=owner.open | {id})
                owners = replaced(state.owners, number, owner)
                yield f"owner {number} takes {id}", state._replace(owners=owners)

    def _owner_steps(self, state: State, number: int, owner: Owner) -> Iterator[tuple[str, State]]:
        def put(changed: Owner, **more: object) -> State:
            owners = replaced(state.owners, number, changed)
            return state._replace(owners=owners, **more)  # type: ignore[arg-type]

        name, fresh = f"owner {number}", owner.late if owner.is_sealed else owner.open
        if fresh and not owner.unrecorded:
            rows = (*owner.rows, (owner.seen | fresh, fresh))
            if self._mutation == "rows, then identities":
                yield f"{name} writes rows", put(owner._replace(rows=rows, unrecorded=fresh))
            else:
                yield f"{name} seals", put(_sealed(owner, fresh)._replace(rows=rows))
        if owner.unrecorded:
            yield f"{name} writes identities", put(_sealed(owner, owner.unrecorded))
        if owner.cursor < len(owner.rows):
            whole, new = owner.rows[owner.cursor]
            delivered = owner._replace(cursor=owner.cursor + 1)
            added = tuple(sorted((*state.added, *new)))
            yield f"{name} to the sink", put(delivered, final=whole, added=added)
            if not self._adds and not state.is_unsure:
                yield f"{name} to the sink, no answer", put(owner, final=whole, is_unsure=True)
        if state.owner_crashes:
            reborn = owner._replace(open=NOTHING, late=NOTHING, unrecorded=NOTHING)
            yield f"{name} dies", put(reborn, owner_crashes=state.owner_crashes - 1)

    def _is_good(self, state: State) -> bool:
        seen = Counter(host for host, _ in (state.added if self._adds else state.final))
        for number, host in enumerate(state.hosts):
            fates = {fate for _, fate in host.spool}
            if "in_doubt" in fates:
                if seen[number] > 1:
                    return False
            elif seen[number] != (0 if "given_up" in fates else 1):
                return False
        return True


def _sealed(owner: Owner, fresh: frozenset[Id]) -> Owner:
    seen = owner.seen | fresh
    return owner._replace(open=NOTHING, late=NOTHING, seen=seen, is_sealed=True, unrecorded=NOTHING)


def is_final(state: State) -> bool:
    """Nothing is pending anywhere."""
    return all(
        not host.has_arena and all(fate != "pending" for _, fate in host.spool)
        for host in state.hosts
    ) and all(
        not (owner.open or owner.late or owner.unrecorded) and owner.cursor == len(owner.rows)
        for owner in state.owners
    )
