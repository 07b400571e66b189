"""Names are mapped to addresses, and what is known stays when nobody can be asked."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest
from aiohttp import web

from tests.unit.discovery.emulators import Consul, Kubernetes, endpoint, served
from tests.unit.discovery.following import Following, Rig
from tests.waiting import until
from veneurpy.discovery.consul import ConsulDiscovery, ConsulOptions
from veneurpy.discovery.directory import Directory
from veneurpy.discovery.kubernetes import KubernetesDiscovery, KubernetesOptions


@pytest.fixture
def rig() -> Rig:
    return Rig()


class Found:
    """What finds one address, once."""

    async def addresses(self) -> AsyncIterator[Mapping[str, str]]:
        yield {"a": "10.0.0.1:8128"}
        await asyncio.Event().wait()


async def test_a_directory_follows() -> None:
    """The directory knows what was found, and takes an address for its own name."""
    changes: list[int] = []
    directory = Directory(Found(), changed=lambda: changes.append(1))
    assert directory.locate("a") is None
    task = asyncio.create_task(directory.follow())
    await asyncio.sleep(0)
    assert ("10.0.0.1:8128", None) == (directory.locate("a"), directory.locate("b"))
    assert "10.0.0.2:8128" == directory.locate("10.0.0.2:8128")
    assert [1] == changes
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


# Consul


@pytest.fixture
async def consul() -> AsyncIterator[tuple[Consul, str]]:
    emulated = Consul()
    async with served(emulated.handle) as address:
        yield emulated, address
        emulated.set()


def of_consul(rig: Rig, address: str, token: str = "") -> Following:
    """Follows the service `global`."""
    options = ConsulOptions(address=address, token=token)
    return Following(
        ConsulDiscovery("global", options=options, clock=rig.clock, telemetry=rig.telemetry)
    )


async def test_passing_instances_by_consul(rig: Rig, consul: tuple[Consul, str]) -> None:
    """Instances that pass, by their name in the metadata or else their node's; token included."""
    emulated, address = consul
    emulated.set(
        {"node": "n1", "passing": True},
        {"node": "n2", "passing": True, "address": "10.0.0.2", "meta": {"veneurpy_name": "b"}},
        {"node": "n3", "passing": False},
    )
    following = of_consul(rig, address, token="secret")
    assert {"n1": "10.0.0.9:8128", "b": "10.0.0.2:8128"} == await following.next()
    assert {"passing": "1", "wait": "60s"} == emulated.queries[0]
    assert ["secret"] == emulated.tokens
    await following.close()


async def test_a_change_is_told_by_a_blocking_query(rig: Rig, consul: tuple[Consul, str]) -> None:
    """The second query names the index of the first answer, and is answered at the change."""
    emulated, address = consul
    emulated.set({"node": "n1", "passing": True}, index=42)
    following = of_consul(rig, address)
    await following.next()
    coming = following.begin()
    await rig.clock.sleepers(1)
    rig.clock.advance(1.0)
    await until(lambda: len(emulated.queries) == 2)
    assert "42" == emulated.queries[1]["index"]
    assert not coming.done()
    emulated.set({"node": "n2", "passing": True})
    assert {"n2": "10.0.0.9:8128"} == await coming
    await following.close()


async def test_an_index_that_goes_back_is_forgotten(rig: Rig, consul: tuple[Consul, str]) -> None:
    """After Consul was set up anew the next query does not wait for the old index."""
    emulated, address = consul
    emulated.set({"node": "n1", "passing": True}, index=42)
    following = of_consul(rig, address)
    await following.next()
    emulated.set({"node": "n2", "passing": True}, index=5)
    coming = following.begin()
    await rig.clock.sleepers(1)
    rig.clock.advance(1.0)
    assert {"n2": "10.0.0.9:8128"} == await coming
    coming = following.begin()
    await rig.clock.sleepers(1)
    emulated.set({"node": "n3", "passing": True}, index=6)
    rig.clock.advance(1.0)
    assert {"n3": "10.0.0.9:8128"} == await coming
    assert ["42", None] == [query.get("index") for query in emulated.queries[1:3]]
    await following.close()


@pytest.mark.parametrize("of", ["consul", "kubernetes"])
async def test_a_redirection_is_not_followed(rig: Rig, of: str, tmp_path: Path) -> None:
    """Whoever it leads to would get the token, and could name any address as an owner's."""
    asked: list[str] = []

    async def elsewhere(request: web.Request) -> web.Response:
        asked.append(request.path)
        raise web.HTTPTemporaryRedirect(f"/elsewhere{request.path_qs}")

    (tmp_path / "token").write_text("secret\n")
    async with served(elsewhere) as address:
        if of == "consul":
            following = of_consul(rig, address, token="secret")
        else:
            following = of_kubernetes(rig, address, tmp_path / "token")
        coming = following.begin()
        await rig.until("failed")
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)
        await following.close()
    assert 1 == len(asked)
    assert ["HTTP status 307"] == [line["error"] for line in rig.log.of("discovery_failed")]


@pytest.mark.parametrize("trouble", ["failed", "empty"])
async def test_what_consul_knew_stays(rig: Rig, consul: tuple[Consul, str], trouble: str) -> None:
    """A failure and an empty answer are counted, and nothing is taken back."""
    emulated, address = consul
    emulated.set({"node": "n1", "passing": True})
    following = of_consul(rig, address)
    await following.next()
    emulated.fails = trouble == "failed"
    emulated.set()
    coming = following.begin()
    await rig.clock.sleepers(1)
    rig.clock.advance(1.0)
    await rig.until(trouble)
    assert not coming.done()
    emulated.fails = False
    emulated.set({"node": "n2", "passing": True})
    await rig.clock.sleepers(1)
    rig.clock.advance(1.0)
    assert {"n2": "10.0.0.9:8128"} == await coming
    await following.close()


@pytest.mark.parametrize(
    ("environment", "address"),
    [
        ({}, "http://127.0.0.1:8500"),
        ({"CONSUL_HTTP_ADDR": "consul:1"}, "http://consul:1"),
        ({"CONSUL_HTTP_ADDR": "consul:1", "CONSUL_HTTP_SSL": "true"}, "https://consul:1"),
        ({"CONSUL_HTTP_ADDR": "https://consul:1/"}, "https://consul:1"),
    ],
)
def test_consul_by_its_environment(environment: dict[str, str], address: str) -> None:
    """Consul is found as its own commands find it."""
    assert address == ConsulOptions.from_environment(environment).address


def test_a_token_of_consul_from_a_file(tmp_path: Path) -> None:
    """CONSUL_HTTP_TOKEN_FILE is read, CONSUL_HTTP_TOKEN prevails, and neither is shown."""
    (tmp_path / "token").write_text("secret\n")
    env = {"CONSUL_HTTP_TOKEN_FILE": str(tmp_path / "token")}
    options = ConsulOptions.from_environment(env)
    assert "secret" == options.token
    assert "secret" not in repr(options)
    assert "t" == ConsulOptions.from_environment(env | {"CONSUL_HTTP_TOKEN": "t"}).token


# Kubernetes


@pytest.fixture
async def kubernetes() -> AsyncIterator[tuple[Kubernetes, str]]:
    emulated = Kubernetes()
    async with served(emulated.handle) as address:
        yield emulated, address
        emulated.end_watch()


def of_kubernetes(rig: Rig, address: str, token_file: Path | None = None) -> Following:
    """Follows the service `global` in the namespace `metrics`."""
    options = KubernetesOptions(address, "metrics", "global", token_file=token_file)
    return Following(KubernetesDiscovery(options, clock=rig.clock, telemetry=rig.telemetry))


async def test_ready_endpoints_by_kubernetes(
    rig: Rig, kubernetes: tuple[Kubernetes, str], tmp_path: Path
) -> None:
    """Endpoints that are ready, of every slice, by their pods' names."""
    emulated, address = kubernetes
    (tmp_path / "token").write_text("secret\n")
    emulated.put("s1", endpoint("g-0", "10.0.0.1"), endpoint("g-1", "10.0.0.2", ready=False))
    emulated.put("s2", endpoint("g-2", "fd00::3", ready=None))
    following = of_kubernetes(rig, address, tmp_path / "token")
    assert {"g-0": "10.0.0.1:8128", "g-2": "[fd00::3]:8128"} == await following.next()
    assert {"labelSelector": "kubernetes.io/service-name=global"} == emulated.queries[0]
    assert ["Bearer secret"] == emulated.authorizations
    await following.close()


async def test_the_watch_goes_on_where_it_stood(
    rig: Rig, kubernetes: tuple[Kubernetes, str]
) -> None:
    """Changes come by the watch; one that ends goes on at the version of the last bookmark."""
    emulated, address = kubernetes
    emulated.put("s1", endpoint("g-0", "10.0.0.1"))
    following = of_kubernetes(rig, address)
    await following.next()
    emulated.put("s2", endpoint("g-1", "10.0.0.2"), tell="ADDED")
    assert {"g-0": "10.0.0.1:8128", "g-1": "10.0.0.2:8128"} == await following.next()
    emulated.put("s1", endpoint("g-0", "10.0.0.7"), tell="MODIFIED")
    assert "10.0.0.7:8128" == (await following.next())["g-0"]
    emulated.put("s1", tell="DELETED")
    assert {"g-1": "10.0.0.2:8128"} == await following.next()
    emulated.bookmark()
    stood = str(emulated.version)
    emulated.end_watch()
    emulated.put("s3", endpoint("g-3", "10.0.0.3"), tell="ADDED")
    assert {"g-1": "10.0.0.2:8128", "g-3": "10.0.0.3:8128"} == await following.next()
    assert (stood, 1) == (
        emulated.queries[-1]["resourceVersion"],
        sum("watch" not in query for query in emulated.queries),
    )
    await following.close()


async def test_a_watch_that_is_too_old_lists_again(
    rig: Rig, kubernetes: tuple[Kubernetes, str]
) -> None:
    """410 Gone means that changes were missed: everything is listed again, at once."""
    emulated, address = kubernetes
    emulated.put("s1", endpoint("g-0", "10.0.0.1"))
    following = of_kubernetes(rig, address)
    await following.next()
    emulated.put("s1", endpoint("g-0", "10.0.0.2"))  # missed by the watch
    emulated.expire()
    assert {"g-0": "10.0.0.2:8128"} == await following.next()
    assert ["gone"] == rig.failures()
    await following.close()


async def test_what_kubernetes_knew_stays(rig: Rig, kubernetes: tuple[Kubernetes, str]) -> None:
    """No ready endpoint, and an API that fails, take nothing back."""
    emulated, address = kubernetes
    emulated.put("s1", endpoint("g-0", "10.0.0.1"))
    following = of_kubernetes(rig, address)
    await following.next()
    emulated.put("s1", endpoint("g-0", "10.0.0.1", ready=False), tell="MODIFIED")
    coming = following.begin()
    await rig.until("empty")
    emulated.fails = True
    emulated.end_watch()
    await rig.until("failed")
    assert not coming.done()
    emulated.fails = False
    emulated.put("s1", endpoint("g-0", "10.0.0.5"), tell="MODIFIED")
    await rig.clock.sleepers(1)
    rig.clock.advance(1.0)
    assert {"g-0": "10.0.0.5:8128"} == await coming
    await following.close()


def test_kubernetes_from_inside_a_pod(tmp_path: Path) -> None:
    """Server, token and namespace are those of the pod's service account."""
    (tmp_path / "namespace").write_text("metrics")
    env = {"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"}
    options = KubernetesOptions.in_cluster("global", environment=env, account=tmp_path)
    assert ("https://[fd00::1]:443", "metrics", tmp_path / "token") == (
        options.server,
        options.namespace,
        options.token_file,
    )


async def test_nobody_listens_there(rig: Rig) -> None:
    """A Consul that is away is asked again after 1 s, 2 s, 4 s."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"http://127.0.0.1:{taken.getsockname()[1]}"
    following = of_consul(rig, address)
    coming = following.begin()
    for pause_s in (1.0, 2.0, 4.0):
        await rig.clock.sleepers(1)
        rig.clock.advance(pause_s)
    await rig.clock.sleepers(1)
    assert "failed" in rig.failures()
    coming.cancel()
    await asyncio.gather(coming, return_exceptions=True)
    await following.close()
