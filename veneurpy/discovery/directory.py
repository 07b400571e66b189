"""The addresses as they are known now, for whoever opens a connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from veneurpy.ports import Discovery


class Directory:
    """Follows a discovery. `locate` it by name; run `follow` as a task."""

    def __init__(self, discovery: Discovery, *, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is called after every change."""
        self._discovery = discovery
        self._changed = changed
        self._known: Mapping[str, str] = {}

    def __repr__(self) -> str:
        return f"Directory({self._known!r})"

    @property
    def known(self) -> Mapping[str, str]:
        """Name to address."""
        return self._known

    def locate(self, name: str) -> str | None:
        """The address of a member.

        A name that is an address itself, as Veneur's rings have them, needs not be found.
        """
        return self._known.get(name) or (name if ":" in name else None)

    async def follow(self) -> None:
        """Takes over what is found, until it is cancelled."""
        async for addresses in self._discovery.addresses():
            self._known = addresses
            self._changed()
