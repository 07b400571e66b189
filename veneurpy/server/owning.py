"""The owning half of a node: what others forward to it becomes rows for its sinks."""

from __future__ import annotations

from pathlib import Path

from veneurpy.config import Config
from veneurpy.engine import Engine
from veneurpy.flush.summarise import plan_of
from veneurpy.forward.desk import NextTier, OwnerOptions, Publisher
from veneurpy.forward.membership import Membership
from veneurpy.forward.owner import Owner
from veneurpy.forward.poison import Slot
from veneurpy.ports import Clock
from veneurpy.server.assembly import host_of
from veneurpy.server.forwarding import interval_ms_of
from veneurpy.spool import Spool
from veneurpy.telemetry import Telemetry


def new_owner(
    config: Config,
    name: str,
    *,
    engine: Engine,
    spool: Spool,
    clock: Clock,
    membership: Membership,
    publisher: Publisher,
    telemetry: Telemetry,
    next_tier: NextTier | None = None,
) -> Owner:
    """The owner of a node. Raises OSError where `state_dir` cannot be written."""
    options = OwnerOptions(
        name,
        host_of(config),
        interval_ms_of(config),
        round(config.global_hold_s * 1000),
        accept_window_ms=round(config.accept_window * 1000),
        late_window_ms=round(config.late_window * 1000),
        late_max_bytes=config.late_max_bytes,
        max_bytes=config.import_max_bytes,
        is_durable=bool(config.state_dir),
    )
    return Owner(
        options,
        engine=engine,
        plan=plan_of(config.aggregates, config.percentiles),
        spool=spool,
        clock=clock,
        membership=membership,
        publisher=publisher,
        telemetry=telemetry,
        slot=Slot(Path(config.state_dir) / "decoding") if config.state_dir else None,
        next_tier=next_tier,
    )
