"""The prometheus sink: what a scrape shows."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.process import rss_bytes
from veneurpy.ports import FlushBatch
from veneurpy.sinks._exposition import PythonExposition
from veneurpy.sinks._labels import label_name, label_text, metric_name
from veneurpy.sinks.prometheus import PrometheusSink
from veneurpy.testing import START_MS, FakeClock, FakeContext, Row, batch

OWN = "veneurpy_prometheus_"


class Scraped:
    """A sink, its clock, and what a scrape of it shows now."""

    def __init__(self, **options: object) -> None:
        self.clock = FakeClock()
        self.context = FakeContext("prom", clock=self.clock)
        self.sink = PrometheusSink(PrometheusSink.Config(**options), self.context)

    async def flush(self, *rows: Row) -> dict[str, int]:
        """Flushes an interval of 10 s; returns the rejected."""
        result = await self.sink.flush(batch(*rows, start_ms=self.clock.now_ns() // 1_000_000))
        self.clock.advance(10)
        return result.rejected

    def text(self) -> str:
        return b"".join(self.sink._exposition.text(self.clock.monotonic())).decode()

    def samples(self, *, own: bool = False) -> dict[str, float]:
        """Name and labels to value, as Prometheus' own parser reads them."""
        return {
            sample.name
            + "".join(f" {k}={v}" for k, v in sorted(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
            if sample.name.startswith(OWN) is own
        }


@pytest.fixture(params=["native", "python"], autouse=True)
def exposition(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both expositions take the same tests."""
    if request.param == "python":
        monkeypatch.setattr("veneurpy.sinks.prometheus.exposition_of", PythonExposition)


@pytest.fixture
async def scraped(exposition: None) -> AsyncIterator[Scraped]:
    made = Scraped()
    yield made
    await made.sink.stop()


async def test_counters_add_up(scraped: Scraped):
    """A counter is the total since the start, under a name that ends in _total once."""
    await scraped.flush(("hits", 3.0, "counter"), ("errors_total", 1.0, "counter"))
    await scraped.flush(("hits", 4.5, "counter"))
    assert {"hits_total": 7.5, "errors_total": 1.0} == scraped.samples()


async def test_gauges_show_their_last_value(scraped: Scraped):
    """A gauge is what was flushed last."""
    await scraped.flush(("queue", 3.0))
    await scraped.flush(("queue", 1.0))
    assert {"queue": 1.0} == scraped.samples()


async def test_the_text_is_well_formed(scraped: Scraped):
    """Each family is introduced once, by what it was called and its type; all its lines follow."""
    await scraped.flush(
        ("api.hits", 1.0, "counter", "az:b"), ("q", 0.5), ("api.hits", 2.0, "counter")
    )
    expected = """\
# HELP api_hits_total StatsD counter api.hits
# TYPE api_hits_total counter
api_hits_total{az="b"} 1
api_hits_total 2
# HELP q StatsD gauge q
# TYPE q gauge
q 0.5
"""
    assert expected == scraped.text().partition(f"# HELP {OWN}")[0]


async def test_extreme_values_survive(scraped: Scraped):
    """Any float a sink may be given is shown so that it reads back."""
    await scraped.flush(("a", 1e290), ("b", 5e-324), ("c", -0.0), ("d", -1e290, "counter"))
    assert {"a": 1e290, "b": 5e-324, "c": 0.0, "d_total": -1e290} == scraped.samples()


@pytest.mark.parametrize(
    "tag",
    ['say:"hi"', r"path:C:\new", "shape:}{=,", "stadt:Zürich 日本", "k:line\u2028separator"],
)
async def test_label_values_are_escaped(scraped: Scraped, tag: str):
    """Nothing in a tag's value can end the label or the line."""
    key, _, value = tag.partition(":")
    tags = tag if "," not in value else f"{key}:{value.replace(',', ';')}"
    await scraped.flush(("v", 1.0, "gauge", tags))
    assert {f"v {tags.replace(':', '=', 1)}": 1.0} == scraped.samples()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("", ""),
        ("env:prod", '{env="prod"}'),
        ("z:1,a:2", '{a="2",z="1"}'),
        ("canary", '{canary="true"}'),
        ("empty:", ""),
        ("k:b,k:a", '{k="a,b"}'),
        ("url:http://x", '{url="http://x"}'),
        ("a.b:1,a-b:2", '{a_b="1,2"}'),
        (":v", '{_="v"}'),
        ('k:a"b\\c\nd', r'{k="a\"b\\c\nd"}'),
    ],
)
def test_tags_become_labels(tags: str, expected: str):
    """Tags are labels, sorted, each key once."""
    assert expected == label_text(tags)


@pytest.mark.parametrize(
    ("sent", "metric", "label"),
    [
        ("api.hits", "api_hits", "api_hits"),
        ("ns:x", "ns:x", "ns_x"),
        ("5xx", "_5xx", "_5xx"),
        ("", "_", "_"),
        ("größe", "gr__e", "gr__e"),
        ("__name__", "__name__", "_name__"),
        ("٣", "_", "_"),
    ],
)
def test_names_are_made_valid(sent: str, metric: str, label: str):
    """What Prometheus refuses in a name becomes "_"; nothing passes for a label of its own."""
    assert (metric, label) == (metric_name(sent), label_name(sent))


async def test_the_host_is_a_label_on_demand():
    """With host_label, series without a tag `host` carry the node's name."""
    scraped = Scraped(host_label=True)
    await scraped.flush(("a", 1.0), ("b", 1.0, "gauge", "host:db-1"))
    assert {"a host=testhost": 1.0, "b host=db-1": 1.0} == scraped.samples()
    await scraped.sink.stop()


@pytest.mark.parametrize(
    ("row", "shown_for"),
    [(("g", 1.0, "gauge"), 5), (("c", 1.0, "counter"), 8)],
    ids=["gauge", "counter"],
)
async def test_what_is_not_flushed_expires(row: Row, shown_for: int):
    """A series is shown for so many intervals and not longer, though nothing else is flushed."""
    scraped = Scraped(expire_after=5, counter_expire_after=8)
    await scraped.flush(row)
    scraped.clock.advance(10 * (shown_for - 1))
    assert 1 == len(scraped.samples())
    scraped.clock.advance(0.001)
    assert {} == scraped.samples()
    await scraped.sink.stop()


async def test_expired_series_make_room():
    """The place of an expired series is free again, and its name may change its type."""
    scraped = Scraped(max_series=1, expire_after=1)
    await scraped.flush(("old", 1.0))
    assert {"max_series": 1} == await scraped.flush(("new", 1.0))
    assert {} == await scraped.flush(("old", 1.0, "counter"))
    assert {"old_total": 1.0} == scraped.samples()
    await scraped.sink.stop()


async def test_a_scrape_shows_one_moment(scraped: Scraped):
    """What a scrape has begun to show stays as it is while series come, change and go."""
    await scraped.flush(*[("v", 1.0, "gauge", f"old:{i}") for i in range(2000)])
    before = scraped.text()
    pieces = scraped.sink._exposition.text(scraped.clock.monotonic())
    scraped.clock.advance(100)
    await scraped.flush(*[("w", 2.0, "gauge", f"new:{i}") for i in range(2000)])
    assert before == b"".join(pieces).decode()
    assert before != scraped.text()


async def test_series_are_bounded():
    """Beyond max_series new series are rejected and counted; known ones go on."""
    scraped = Scraped(max_series=2)
    rejected = await scraped.flush(("a", 1.0), ("b", 1.0), ("c", 1.0), ("a", 2.0))
    assert {"max_series": 1} == rejected
    assert {"a": 2.0, "b": 1.0} == scraped.samples()
    assert 1.0 == scraped.samples(own=True)[f"{OWN}rejected_total reason=max_series"]
    await scraped.sink.stop()


@pytest.mark.skipif(
    "VENEURPY_BUILD" in os.environ, reason="sanitizers keep what was freed for a while"
)
async def test_what_is_not_shown_takes_no_memory():
    """Neither the series beyond max_series, new ones each time, nor other spellings of one."""
    scraped = Scraped(max_series=3)
    before = 0
    for number in range(60):
        new = [("a", 1.0, "counter", f"id:{number}.{i}{'x' * 400}") for i in range(700)]
        odd = [("b", 1.0, "gauge", f"{chr(0x1000 + number)}{chr(0x1000 + i)}:1") for i in range(70)]
        await scraped.flush(("b", 1.0, "gauge", "__:1"), *odd, *new)
        if number == 20:
            before = rss_bytes(os.getpid())
    assert rss_bytes(os.getpid()) - before < 8 << 20
    await scraped.sink.stop()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("v", 1.0, "gauge"), ("v", 2.0, "counter")),
        (("v", 1.0, "counter"), ("v", 2.0, "gauge")),
        (("v", 1.0, "counter"), ("v_total", 2.0, "gauge")),
        (("v.x", 1.0, "counter"), ("v-x", 2.0, "gauge")),
    ],
    ids=["gauge first", "counter first", "a gauge called total", "after sanitising"],
)
async def test_a_name_has_one_type(scraped: Scraped, first: Row, second: Row):
    """Of a name that comes as counter and gauge the later type is rejected and named once."""
    await scraped.flush(first)
    for _ in range(2):
        assert {"type_conflict": 1} == await scraped.flush(second)
    assert [[second[0]]] == [log["names"] for log in scraped.context.logged]
    assert [1.0] == list(scraped.samples().values())


async def test_counters_that_collide_add_up(scraped: Scraped):
    """Counters that are one series to Prometheus are added, and the collision is counted."""
    await scraped.flush(("a.b", 1.0, "counter"), ("a-b", 2.0, "counter"))
    assert {"a_b_total": 3.0} == scraped.samples()
    assert 1.0 == scraped.samples(own=True)[f"{OWN}collisions_total"]


async def test_of_gauges_that_collide_the_last_is_shown(scraped: Scraped):
    """Of gauges that are one series to Prometheus the last is shown, and that is counted."""
    await scraped.flush(("v", 1.0, "gauge", "k:"), ("v", 2.0))
    assert {"v": 2.0} == scraped.samples()
    assert 1.0 == scraped.samples(own=True)[f"{OWN}collisions_total"]


async def test_an_amended_counter_counts_once(scraped: Scraped):
    """Of a revision only what it adds to the one before goes into the total."""
    await scraped.flush(("v", 5.0, "counter"))
    columns = batch(("v", 8.0, "counter")).columns
    amended = FlushBatch(START_MS, 10.0, "h", columns, revision=1, before={0: 5.0})
    await scraped.sink.flush(amended)
    assert {"v_total": 8.0} == scraped.samples()


async def test_an_older_sample_does_not_replace_a_newer(scraped: Scraped):
    """A gauge with a time of its own is shown only if nothing newer is."""
    newer = batch(("v", 1.0), start_ms=START_MS)
    columns = batch(("v", 2.0), start_ms=START_MS - 60_000).columns
    older = batch(("v", 0.0), start_ms=START_MS + 10_000)
    await scraped.sink.flush(newer)
    await scraped.sink.flush(type(older)(older.start_ms, 10.0, "h", columns))
    assert {"v": 1.0} == scraped.samples()


async def test_a_status_is_a_gauge(scraped: Scraped):
    """A status is shown as its number."""
    await scraped.flush(("db.up", 2.0, "status"))
    assert {"db_up": 2.0} == scraped.samples()


async def test_nobody_speaks_in_our_name(scraped: Scraped):
    """Names that begin like the sink's own metrics are rejected."""
    assert {"reserved_name": 1} == await scraped.flush((f"{OWN}series", 1.0))
    assert 0.0 == scraped.samples(own=True)[f"{OWN}series"]


async def test_the_log_is_bounded(scraped: Scraped):
    """However many names conflict, a flush logs one line with a few of them."""
    names = [f"n{i:04}" for i in range(2000)]
    await scraped.flush(*[(name, 1.0) for name in names])
    assert {"type_conflict": 2000} == await scraped.flush(*[(n, 1.0, "counter") for n in names])
    (log,) = scraped.context.logged
    assert (names[:10], 990) == (log["names"], log["more"])


async def test_a_scrape_is_answered_over_http(scraped: Scraped):
    """The sink serves /metrics/points, complete and with the format's content type."""
    await scraped.flush(*[(f"name.{i}", float(i), "gauge", "k:v") for i in range(3000)])
    app = web.Application()
    app.router.add_get("/metrics/points", scraped.context.exposed["/metrics/points"])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/metrics/points"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        text = await answer.text()
    await runner.cleanup()
    assert "text/plain; version=0.0.4; charset=utf-8" == answer.headers["Content-Type"]
    assert scraped.text() == text
    assert 3000 == len(scraped.samples())
