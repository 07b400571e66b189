"""The sending half of a node: who owns what, what waits for them, and how it is encoded."""

from __future__ import annotations

from collections.abc import Callable

from veneurpy.config import Config
from veneurpy.config.ring import Ring
from veneurpy.engine import TagMatcher
from veneurpy.forward.answer import Windows
from veneurpy.forward.dispatch import HostOptions
from veneurpy.forward.divide import Divider
from veneurpy.forward.encode import Encoder
from veneurpy.forward.epochs import ANYBODY, Epoch, EpochTable
from veneurpy.forward.membership import Membership
from veneurpy.forward.sender import Sender
from veneurpy.ports import Clock, Peer
from veneurpy.spool import Spool
from veneurpy.spool.outbox import CHAIN, FORWARD, Outbox
from veneurpy.telemetry import Telemetry


def table_of(config: Config, name: str) -> EpochTable:
    """Who owns what, as far as the configuration says.

    An address without a ring is epoch 0: whoever is there may know better. A node that owns without
    a ring owns everything.
    """
    if config.forward is not None:
        return table_of_ring(config.forward)
    if config.forward_address:
        return EpochTable([Epoch(ANYBODY, -1, (config.forward_address,))])
    return EpochTable([Epoch(1, 0, (name,))])


def table_of_ring(ring: Ring) -> EpochTable:
    """The members as they are configured."""
    return EpochTable([Epoch(ring.epoch, 0, tuple(ring.members), ring.hash)])


def new_encoder(config: Config, name: str, ring: Ring | None) -> Encoder:
    """What makes batches for a ring.

    An owner that publishes nothing of what it seals is to others as a host is: it publishes what is
    its own.
    """
    ignored = () if ring is None else ring.ignore_tags
    return Encoder(
        name,
        interval_ms_of(config),
        owns=config.owns and config.chain is None,
        ignore_tags=tuple(TagMatcher(tag.kind, tag.value) for tag in ignored),
    )


def new_sender(
    config: Config,
    encoder: Encoder,
    *,
    spool: Spool,
    clock: Clock,
    membership: Membership,
    peers: Callable[[str], Peer],
    telemetry: Telemetry,
    outbox: Outbox = FORWARD,
) -> Sender:
    """What sends them."""
    most_s, windows = config.accept_window, None
    if outbox is CHAIN:
        # The owners of a next tier have windows of their own, to be compared with ours.
        most_s = float("inf")
        windows = Windows(config.accept_window, config.late_window, config.global_hold_s)
    options = HostOptions(
        encoder.name,
        encoder.interval_ms,
        max_age_ms=round(min(config.forward_max_age, most_s) * 1000),
        max_bytes=config.forward_max_bytes,
        windows=windows,
    )
    return Sender(
        options,
        spool=spool,
        clock=clock,
        membership=membership,
        divide=Divider(encoder.owners),
        peers=peers,
        telemetry=telemetry,
        outbox=outbox,
    )


def spool_in_memory(config: Config, failed: Callable[[str, str], None]) -> Spool:
    """What batches wait in where there is no `state_dir`."""
    return Spool(
        None, most_bytes=config.spool_max_bytes, oldest_s=config.accept_window, failed=failed
    )


def interval_ms_of(config: Config) -> int:
    """The interval in whole milliseconds, as nodes tell one another."""
    return round(config.interval * 1000)
