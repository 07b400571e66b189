"""Members are located by what discovery knows, then by what is configured."""

from __future__ import annotations

import asyncio
from typing import Any

from tests.nameserver import NameServer, nameserver
from tests.recording import Recorder
from veneurpy.config.ring import Ring
from veneurpy.server.addresses import Addresses
from veneurpy.telemetry import Telemetry
from veneurpy.testing import FakeClock

SERVICE = "_grpc._tcp.test"


async def addresses_by_dns(server: NameServer, members: dict[str, str], **wanted: Any) -> Addresses:
    """What is known after all has been asked for once."""
    clock = FakeClock()
    ring = Ring.model_validate(
        {
            "members": members,
            "addresses": {"to-come": ""},
            "discovery": {"kind": "dns", "nameservers": [server.address], **wanted},
        }
    )
    found = Addresses(ring, clock=clock, telemetry=Telemetry(Recorder(), clock), key="forward")
    task = asyncio.create_task(found.follow())
    await clock.sleepers(1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return found


async def test_names_of_a_service_in_any_case() -> None:
    """DNS does not tell upper from lower case, so neither do names that are found there."""
    zone = [f"{SERVICE} 9 SRV 0 0 8128 {name}.test" for name in ("g1", "G2")]
    with nameserver(*zone, "g1.test 9 A 10.0.0.1", "g2.test 9 A 10.0.0.2") as server:
        found = await addresses_by_dns(server, {"G1": "", "g2": ""}, service=SERVICE)
    assert "10.0.0.1:8128" == found.locate("G1")
    assert "10.0.0.2:8128" == found.locate("g2")
    assert "10.0.0.2:8128" == found.locate("G2")


async def test_what_is_not_found_is_where_it_is_configured() -> None:
    """A host that DNS does not know is left to the system; addresses are not asked for."""
    members = {"g1": "g1.test:1", "g2.test:2": "", "g3": "g3.test:3", "10.0.0.4:4": ""}
    with nameserver("g1.test 9 A 10.0.0.1", "g2.test 9 A 10.0.0.2") as server:
        found = await addresses_by_dns(server, members)
    assert ["10.0.0.1:1", "10.0.0.2:2", "g3.test:3", "10.0.0.4:4"] == [
        found.locate(name) for name in members
    ]
    assert {"g1.test", "g2.test", "g3.test"} == {name for name, _, _ in server.asked}
