"""What each part is told of the configuration: none of them knows a Config."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

from veneurpy.config import Config, ListenOptions
from veneurpy.config.filters import filters_of
from veneurpy.config.mapping import load_mapping
from veneurpy.engine import Budget, Engine, EngineOptions, Grammar, NameTags, OriginTag, Overflow
from veneurpy.engine.arena_dir import ArenaDirTaken
from veneurpy.engine.rewriting import Rewriter
from veneurpy.errors import ListenError, SinkError, VeneurpyError
from veneurpy.flush.flusher import Flusher
from veneurpy.flush.forwarder import Forwarder
from veneurpy.flush.keeper import Keeper
from veneurpy.flush.lanes import Lane
from veneurpy.flush.late import LatePoints
from veneurpy.flush.summarise import plan_of
from veneurpy.ledger import Ledger
from veneurpy.ports import Clock, Listener, Sink
from veneurpy.rules import FilterRewriter, MappingRewriter
from veneurpy.server.capturing import capture_share
from veneurpy.server.context import NodeContext
from veneurpy.telemetry import Logger, Telemetry
from veneurpy.telemetry.statsd import StatsSender

START_TIMEOUT_S = 30.0


def host_of(config: Config) -> str:
    """The host of every point."""
    if config.hostname or config.omit_empty_hostname:
        return config.hostname
    return socket.gethostname()


def name_of(config: Config) -> str:
    """What other nodes call this one."""
    return config.node_name or config.hostname or socket.gethostname()


def engine_options(config: Config) -> EngineOptions:
    """For the engine."""
    return EngineOptions(
        extend_tags=config.extend_tags,
        rewriter=rewriter_of(config),
        compression=config.digest_compression,
        max_datagram_bytes=config.metric_max_length,
        coalesce=config.coalesce,
        store_max_bytes=config.store_max_bytes,
        plan=plan_of(config.aggregates, config.percentiles),
        budgets=budgets_of(config),
        max_series_per_client=config.max_series_per_client,
        origin_tags=tuple(OriginTag[tag.upper()] for tag in config.origin_tags),
        interval_s=config.interval,
        late_window_s=config.late_window,
        max_timestamps=config.max_timestamps,
        side_log_max_bytes=config.side_log_max_bytes,
        capture_bytes=capture_share(config),
        gauge_ttl_s=config.gauge_ttl,
        arena_dir=config.arena_dir or None,
        import_max_bytes=config.import_max_bytes,
        grammar=grammar_of(config, ListenOptions()),
    )


def rewriter_of(config: Config) -> Rewriter | None:
    """Who says what becomes of names."""
    mapping = None
    if config.name_mapping:
        mapping = MappingRewriter(load_mapping(Path(config.name_mapping))[0])
    if config.filters:
        return FilterRewriter(filters_of(config.filters), mapping)
    return mapping


def grammar_of(config: Config, options: ListenOptions) -> Grammar:
    """How the lines of a listener are read."""
    styles = config.name_tags if options.name_tags is None else options.name_tags
    name_tags = NameTags(0)
    for style in styles:
        name_tags |= NameTags[style.upper()]
    dialect = options.dialect or config.dialect
    return Grammar(name_tags, is_statsd=dialect == "statsd")


def budgets_of(config: Config) -> tuple[Budget, ...]:
    """What names may have: each prefix's own, then that of all others."""
    rest = Budget(
        max_series=config.max_series_per_name,
        max_values=config.max_values_per_tag,
        on_overflow=Overflow[config.on_overflow.upper()],
    )
    own = [
        Budget(
            entry.prefix,
            rest.max_series if entry.max_series is None else entry.max_series,
            rest.max_values if entry.max_values is None else entry.max_values,
            Overflow[entry.on_overflow.upper()] if entry.on_overflow else rest.on_overflow,
        )
        for entry in config.budgets
    ]
    return (*own, rest)


def new_engine(config: Config, opener: Callable[..., Engine], start_ms: int) -> Engine:
    """The engine, with the arenas of `arena_dir`. Raises VeneurpyError."""
    options = engine_options(config)
    try:
        return opener(config.engine, options, start_ms=start_ms)
    except ArenaDirTaken as exc:
        raise VeneurpyError(str(exc)) from exc
    except OSError as exc:
        raise VeneurpyError(_unopened(config.arena_dir, exc)) from exc


def _unopened(arena_dir: str, error: OSError) -> str:
    reason, path = error.strerror or str(error), Path(error.filename or arena_dir)
    if arena_dir and (path.is_relative_to(arena_dir) or Path(arena_dir).is_relative_to(path)):
        return (
            f"arena_dir {arena_dir} cannot be used: {reason}; make it a directory with room that "
            "the daemon may write (RuntimeDirectory= of the unit)"
        )
    return f"the engine cannot be opened: {path}: {reason}"


async def start_listener(listener: Listener, engine: Engine, arena_dir: str) -> None:
    """Starts a listener. Raises ListenError, also where its reader's store finds no memory."""
    try:
        await listener.start(engine)
    except (MemoryError, OSError) as exc:
        place = "this machine has no memory, or no addresses (`ulimit -v`, vm.overcommit_memory),"
        if arena_dir:
            place = f"the file system of arena_dir {arena_dir} has no room"
        raise ListenError(
            f"cannot listen on {listener.name}: {place} for its store ({exc}): make room, or lower "
            "store_max_bytes, num_readers or the number of listeners"
        ) from exc


def new_sinks(
    config: Config,
    clock: Clock,
    logger: Logger,
    routes: dict[str, Any],
    sink_class: Callable[[str], type[Sink]],
) -> dict[str, Sink]:
    """All sinks by name. What they serve by HTTP is put into `routes`."""
    sinks: dict[str, Sink] = {}
    for entry in config.metric_sinks:
        build: Callable[..., Sink] = sink_class(entry.kind)
        context = NodeContext(entry.name, host_of(config), config.interval, clock, logger, routes)
        sinks[entry.name] = build(entry.config, context)
    return sinks


async def start_sink(name: str, sink: Sink) -> None:
    """Starts a sink, within a bound. Raises SinkError with its name."""
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            await sink.start()
    except VeneurpyError as exc:
        raise SinkError(f"sink {name}: {exc}", retriable=False) from exc
    except TimeoutError as exc:
        text = f"sink {name}: did not start within {START_TIMEOUT_S:g} s"
        raise SinkError(text, retriable=False) from exc


def new_lanes(
    config: Config,
    sinks: Mapping[str, Sink],
    *,
    clock: Clock,
    telemetry: Telemetry,
    ledger: Ledger,
) -> list[Lane]:
    """The lane of each sink, which books into the ledger's totals."""
    queue_s = config.sink_queue_batches * config.interval
    return [
        Lane(
            entry.name,
            sinks[entry.name],
            kind=entry.kind,
            clock=clock,
            telemetry=telemetry,
            accounts=ledger.total.sinks[entry.name],
            queue_batches=config.sink_queue_batches,
            flush_timeout_s=config.flush_timeout_s,
            oldest_s=config.accept_window if config.state_dir else queue_s,
            resends=entry.on_doubt == "resend",
        )
        for entry in config.metric_sinks
    ]


def new_stats(config: Config, telemetry: Telemetry, refresh: Callable[[], None]) -> StatsSender:
    """What sends the node's own metrics, if they are to be sent."""
    wanted = config.stats_address
    address = None if wanted is None else (wanted.host, wanted.port)
    tags = config.veneur_metrics_additional_tags
    return StatsSender(address, telemetry, tags=tags, refresh=refresh)


def new_flusher(
    config: Config,
    engine: Engine,
    lanes: Sequence[Lane],
    *,
    clock: Clock,
    telemetry: Telemetry,
    ledger: Ledger,
    executor: Executor,
    late: LatePoints,
    keeper: Keeper | None,
    forwarder: Forwarder | None = None,
) -> Flusher:
    """The flusher of all lanes."""
    return Flusher(
        engine,
        lanes,
        plan=plan_of(config.aggregates, config.percentiles),
        late=late,
        ledger=ledger,
        telemetry=telemetry,
        clock=clock,
        executor=executor,
        host=host_of(config),
        extend_tags=config.extend_tags,
        keeper=keeper,
        forwarder=forwarder,
    )


def new_late_points(config: Config) -> LatePoints:
    """What was published at times of their own."""
    # A sample may be late_window old when it comes, and wait for an interval's end then.
    return LatePoints(window_s=config.late_window + 2 * config.interval)
