"""What the admin HTTP listener may ask of the node it shows."""

from __future__ import annotations

from typing import Any, Protocol


class NodeView(Protocol):
    """A glance at a running node. Called on the event loop: answer within milliseconds.

    The mappings are the caller's: plain str, int, float, bool, None, lists and dicts, fit for JSON.
    """

    def healthy(self) -> bool:
        """Whether the process does its work. False asks a supervisor to restart it.

        What it depends on (a backend, a disk) does not count.
        """
        ...

    def ready(self) -> tuple[bool, list[str]]:
        """Whether it takes traffic; if not, why, a sentence each."""
        ...

    def status(self) -> dict[str, Any]:
        """What a person wants to see first: uptime, listeners, sinks, the last flush."""
        ...

    def ledger(self) -> dict[str, Any]:
        """The accounts, so that a person can add them up."""
        ...

    def top(self, of: str, by: str, count: int) -> dict[str, Any] | None:
        """The `count` names, or clients, of the last interval with most of a figure.

        None if `of` is neither, or has no such figure.
        """
        ...

    def config(self) -> dict[str, Any]:
        """The configuration in effect; secrets are "***" already."""
        ...

    def exposition(self) -> bytes:
        """The node's own telemetry in Prometheus' text format 0.0.4."""
        ...
