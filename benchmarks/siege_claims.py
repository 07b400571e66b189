"""What must hold of a daemon that hostile peers have besieged."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.conservation import Verdict
from benchmarks.siege import MIB, Outcome, Siege

CONNECTION_BYTES = 16 << 10
"""What a connection may take beside what it holds of a line."""
SLACK_BYTES = 16 * MIB
MOST_DELAY_S = 0.1
MOST_DELAY_MAX_S = 0.5


def verdicts(siege: Siege, outcome: Outcome) -> Iterator[Verdict]:
    """Every claim but that of time."""
    sent = 4 * (outcome.calm.lines + outcome.besieged.lines)
    taken = sum(outcome.accepted.values())
    yield Verdict(
        "every line of the clients that behave counts, by TCP, Unix stream, UDP and HTTP",
        taken == sent and len(set(outcome.accepted.values())) == 1,
        f"{sent:,} sent, {taken:,} accepted",
    )
    yield from _of_accounts(siege, outcome)
    yield from _of_memory(siege, outcome)


def _of_accounts(siege: Siege, outcome: Outcome) -> Iterator[Verdict]:
    deeds, force, rejected = outcome.deeds, siege.force, outcome.rejected
    yield Verdict(
        "every endless line is counted once, and its bytes are gone",
        rejected.get("too_long", 0) == deeds.endless_lines > 0,
        f"{deeds.endless_lines:,} sent, {rejected.get('too_long', 0):,} rejected too_long",
    )
    garbage = deeds.garbage_lines + deeds.unfinished_lines
    yield Verdict(
        "every line of garbage is counted, also those that ended with their connection",
        rejected.get("no_colon_or_pipe", 0) == garbage > 0,
        f"{garbage:,} sent, {rejected.get('no_colon_or_pipe', 0):,} rejected no_colon_or_pipe",
    )
    closed = outcome.closed
    idle = force.idle + force.half_frames
    yield Verdict(
        "connections that idle, within a frame or without, are closed after stream_idle_timeout",
        closed.get("idle", 0) == idle,
        f"{closed.get('idle', 0):,} of {idle:,}",
    )
    yield Verdict(
        "an impossible frame ends its connection",
        closed.get("bad_frame", 0) == force.bad_frames,
        f"{closed.get('bad_frame', 0):,} of {force.bad_frames:,}",
    )
    # Two of the clients that behave are connections too.
    connects, ended = deeds.connects + 2, sum(closed.values())
    yield Verdict(
        "every connection is counted once when it comes and once when it ends",
        connects == outcome.connects == ended and outcome.still_open == deeds.refused == 0,
        f"{connects:,} made, {outcome.connects:,} counted, {ended:,} ended: "
        + ", ".join(f"{count:,} {reason}" for reason, count in sorted(closed.items())),
    )
    yield Verdict(
        "every equation of the ledger holds",
        outcome.violations == 0,
        f"{outcome.violations} violations",
    )


def _of_memory(siege: Siege, outcome: Outcome) -> Iterator[Verdict]:
    force = siege.force
    connections = force.idle + force.slow + force.endless + force.garbage + force.half_frames
    bound = outcome.idle_bytes + siege.max_held_bytes + connections * CONNECTION_BYTES + SLACK_BYTES
    yield Verdict(
        "memory is bounded: stream_max_held_bytes and 16 KiB a connection more than idle",
        outcome.most_bytes <= bound,
        f"{outcome.most_bytes / MIB:.1f} MiB at the most, {outcome.idle_bytes / MIB:.1f} idle, "
        f"{bound / MIB:.1f} allowed",
    )
    yield Verdict(
        "unfinished lines take no more than stream_max_held_bytes, and nothing in the end",
        outcome.most_held <= siege.max_held_bytes and outcome.still_held == 0,
        f"{outcome.most_held / MIB:.2f} MiB at the most, {outcome.still_held} bytes in the end",
    )
    yield Verdict("the log stays readable", outcome.log_lines < 100, f"{outcome.log_lines} lines")


def verdict_of_time(outcome: Outcome) -> Verdict:
    """How those that behave are served, beside how they were before the siege."""
    (calm_s, calm_max_s), (p99_s, max_s) = outcome.calm.slowest_s, outcome.besieged.slowest_s
    return Verdict(
        f"lines sent by HTTP are in the store within {MOST_DELAY_S * 1000:.0f} ms for 99 of 100, "
        f"and all within {MOST_DELAY_MAX_S * 1000:.0f} ms",
        p99_s <= MOST_DELAY_S and max_s <= MOST_DELAY_MAX_S,
        f"99 of 100 within {p99_s * 1000:.1f} ms, all within {max_s * 1000:.1f} ms; before the "
        f"siege {calm_s * 1000:.1f} and {calm_max_s * 1000:.1f} ms",
    )
