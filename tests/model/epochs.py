"""A change of the ring: owner 0 has a series in epoch 0, owner 1 in epoch 1, which comes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from tests.model.explorer import Protocol, replaced

Mutation = Literal[
    "owners need not confirm", "owners do not refuse", "the table dies with the process"
]


class Host(NamedTuple):
    """`cut_by` is the epoch by which its batch was cut, once it was."""

    table: int = 0
    cut_by: int | None = None
    is_done: bool = False


class Owner(NamedTuple):
    """`taken` has (host, epoch)."""

    table: int = 0
    taken: frozenset[tuple[int, int]] = frozenset()


class State(NamedTuple):
    """The interval from which epoch 1 counts, before and after it has begun."""

    has_begun: bool = False
    hosts: tuple[Host, ...] = (Host(), Host())
    owners: tuple[Owner, ...] = (Owner(), Owner())
    net: frozenset[tuple[int, int]] = frozenset()
    crashes: int = 1


class Change:
    """The protocol, or one with a mutation."""

    def __init__(self, mutation: Mutation | None = None) -> None:
        self._mutation = mutation

    @property
    def protocol(self) -> Protocol[State]:
        return Protocol(State(), self._steps, is_final, is_good)

    def _steps(self, state: State) -> Iterator[tuple[str, State]]:
        is_confirmed = all(owner.table == 1 for owner in state.owners)
        if not state.has_begun and (is_confirmed or self._mutation == "owners need not confirm"):
            yield "the interval begins", state._replace(has_begun=True)
        for number, owner in enumerate(state.owners):
            yield from self._owner_steps(state, number, owner)
        for number, host in enumerate(state.hosts):
            yield from self._host_steps(state, number, host)
        for host_number, epoch in state.net:
            owner = state.owners[epoch]
            is_refused = owner.table != epoch and self._mutation != "owners do not refuse"
            if not is_refused and (host_number, epoch) not in owner.taken:
                taken = owner._replace(taken=owner.taken | {(host_number, epoch)})
                owners = replaced(state.owners, epoch, taken)
                yield f"owner {epoch} takes of {host_number}", state._replace(owners=owners)

    def _owner_steps(self, state: State, number: int, owner: Owner) -> Iterator[tuple[str, State]]:
        def put(table: int, crashes: int) -> State:
            owners = replaced(state.owners, number, owner._replace(table=table))
            return state._replace(owners=owners, crashes=crashes)

        if owner.table == 0:
            yield f"owner {number} adopts", put(1, state.crashes)
        elif state.crashes and self._mutation == "the table dies with the process":
            yield f"owner {number} forgets", put(0, 0)

    def _host_steps(self, state: State, number: int, host: Host) -> Iterator[tuple[str, State]]:
        def put(changed: Host) -> State:
            return state._replace(hosts=replaced(state.hosts, number, changed))

        if host.table == 0:
            yield f"host {number} adopts", put(host._replace(table=1))
        epoch = host.cut_by
        if epoch is None:
            if state.has_begun:
                yield f"host {number} encodes", put(host._replace(cut_by=host.table))
        elif not host.is_done:
            yield f"host {number} sends", state._replace(net=state.net | {(number, epoch)})
            if (number, epoch) in state.owners[epoch].taken:
                yield f"host {number} is done", put(host._replace(is_done=True))
            elif (number, epoch) in state.net and state.owners[epoch].table > epoch:
                yield f"host {number} cuts anew", put(Host(1, 1))


def is_final(state: State) -> bool:
    """Everybody is done."""
    return state.has_begun and all(host.is_done for host in state.hosts)


def is_good(state: State) -> bool:
    """One owner has it all, the other nothing."""
    counts = sorted(len(owner.taken) for owner in state.owners)
    return counts == [0, len(state.hosts)]
