"""Who goes over a budget is named once and counted every time."""

from __future__ import annotations

from tests.recording import Recorder
from veneurpy.engine import ClientTop, NameTop
from veneurpy.flush.offenders import MOST_AT_ONCE, Offenders
from veneurpy.telemetry import Telemetry
from veneurpy.telemetry.metrics import CLIENTS_OVER_BUDGET, NAMES_OVER_BUDGET
from veneurpy.testing import FakeClock


def _name(name: str, folded: int) -> NameTop:
    return NameTop(name, 10, 5, 5, 100, "id", 5, folded, 0)


def _client(client: str, over: int) -> ClientTop:
    return ClientTop(client, 10, 10, 5, 5, 100, over, 0, over)


def test_names() -> None:
    """A name that was named before is only counted, and who keeps its budget is not."""
    log = Recorder()
    telemetry, offenders = Telemetry(log, FakeClock()), Offenders()
    for _ in range(3):
        offenders.report([_name("a", 7), _name("b", 0)], telemetry)

    assert 3 == telemetry.value(NAMES_OVER_BUDGET)
    assert ["a"] == [line["name"] for line in log.of("name_over_budget")]


def test_clients() -> None:
    """The same of clients; an invasion fills no log."""
    log = Recorder()
    telemetry, offenders = Telemetry(log, FakeClock()), Offenders()
    offenders.report_clients([_client("10.0.0.1", 7), _client("10.0.0.2", 0)], telemetry)
    offenders.report_clients([_client("10.0.0.1", 7)], telemetry)
    offenders.report_clients([_client(f"10.0.1.{i}", 1) for i in range(50)], telemetry)

    assert 52 == telemetry.value(CLIENTS_OVER_BUDGET)
    named = [line["client"] for line in log.of("client_over_budget")]
    assert 1 + MOST_AT_ONCE == len(named) == len(set(named))
    assert "10.0.0.1" == named[0]
