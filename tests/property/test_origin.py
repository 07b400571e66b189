"""Where metrics come from: clients, and tags made of it; both engines say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines import (
    NOW_NS,
    START_MS,
    Datagram,
    Outcome,
    broken_equations,
    close_interval,
    engine_kinds,
    in_buffer,
    needs_native,
    outcome_of,
)
from tests.property.compare import PLAN, differences, weights
from tests.property.traffic import grammars, lines
from veneurpy.engine import (
    ClientTop,
    EngineKind,
    EngineOptions,
    Grammar,
    NameTags,
    OriginTag,
    Process,
    open_engine,
)
from veneurpy.events import parse_check, parse_event

ID = "0123456789abcdef" * 4
TASK = "0123456789abcdef" * 2 + "-1234567890"
GROUPS = {
    1: f"0::/system.slice/docker-{ID}.scope\n",
    2: f"12:cpu:/ecs/{TASK[:32]}/{TASK}\n0::/\n",
    3: "0::/user.slice\n",
    4: f"0::/docker/{'f' * 64}/docker/{ID}\n",
    5: f"1:name=systemd:/\n0::/kubepods/pod1-2/{ID}",
    6: f"0::/{'a' * 65}/{ID}x{'b' * 63}/{'c' * 32}-{'1' * 40}\n",
    7: "",
    8: "x" * 5000 + ID,
}
EXPECTED = {1: ID, 2: TASK, 3: "", 4: ID, 5: ID, 6: ID, 7: "", 8: "", 9: ""}
EVERYTHING = tuple(OriginTag)


@pytest.fixture(scope="module")
def proc(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A /proc with the processes of GROUPS."""
    root = tmp_path_factory.mktemp("proc")
    for pid, text in GROUPS.items():
        (root / str(pid)).mkdir()
        (root / str(pid) / "cgroup").write_text(text)
    return str(root)


def feed(
    kind: EngineKind,
    packets: Sequence[bytes],
    options: EngineOptions,
    *,
    client: str | None = None,
    process: Process | None = None,
) -> tuple[Outcome, list[ClientTop]]:
    """What an engine makes of them, all of one sender, and who it says that was."""
    engine = open_engine(kind, options, start_ms=START_MS)
    reader = engine.open_reader("x")
    for packet in packets:
        reader.feed(in_buffer(packet, kind), now_ns=NOW_NS, client=client, process=process)
    interval = engine.rotate(START_MS + 10_000)
    clients = sorted(top for top in interval.clients(100) if top.datagrams)
    outcome = outcome_of(interval, PLAN)
    interval.release()
    engine.close()
    return outcome, clients


_long_fields = [b"c:" + b"in-1," * 120 + b"ci-far", b"e:" + b"cn-1," * 120 + b"pu-far"]
_fields = st.sampled_from(
    b"c:ci-abc c: c:in-5 c:cid-x,ci-y c:bare c:ci-\xff c:a,b e:it-false,cn-web,pu-1-2 e:cn- e:pu-z "
    b"e:cn-a,cn-b card:low card: card:no/ #x:1 # #a,b T1 @0.5".split()
) | st.sampled_from(_long_fields)
_line = st.builds(lambda line, fields: b"|".join([line, *fields]), lines, st.lists(_fields))
_packets = st.lists(
    st.lists(_line, max_size=8).map(b"\n".join) | st.lists(_line).map(b"\r\n".join), max_size=4
)
_processes = st.none() | st.builds(
    Process, st.sampled_from([0, *GROUPS, 9]), st.sampled_from([0, 1000, (1 << 32) - 1])
)


@needs_native
@given(
    packets=_packets,
    client=st.sampled_from([None, "10.0.0.1"]),
    process=_processes,
    wanted=st.sets(st.sampled_from(OriginTag)).map(tuple),
    grammar=grammars,
    most_bytes=st.sampled_from([40, 200, 8192]),
    most_series=st.sampled_from([0, 0, 3]),
)
def test_engines_agree(
    proc: str,
    packets: list[bytes],
    client: str | None,
    process: Process | None,
    wanted: tuple[OriginTag, ...],
    grammar: object,
    most_bytes: int,
    most_series: int,
) -> None:
    """Whatever lines say, and whatever the kernel knows: the same points, accounts and clients."""
    options = EngineOptions(
        origin_tags=wanted,
        proc_dir=proc,
        grammar=grammar,  # type: ignore[arg-type]
        max_datagram_bytes=most_bytes,
        max_series_per_client=most_series,
    )
    expected, known = feed("python", packets, options, client=client, process=process)
    found, clients = feed("native", packets, options, client=client, process=process)

    traffic = [Datagram(packet) for packet in packets]
    assert [] == differences(expected, found, weights(traffic, options))
    assert expected.accounts == found.accounts
    assert expected.side_log == found.side_log
    assert [] == [b for _, accounts in found.accounts for b in broken_equations(accounts)]
    assert [top._replace(bytes=0) for top in known] == [top._replace(bytes=0) for top in clients]


@engine_kinds
@pytest.mark.parametrize("pid", sorted(EXPECTED))
def test_containers(kind: EngineKind, proc: str, pid: int) -> None:
    """The container of a process is what its control groups name last, or it has none."""
    options = EngineOptions(origin_tags=(OriginTag.CONTAINER_ID,), proc_dir=proc)
    outcome, clients = feed(kind, [b"a:1|c"], options, process=Process(pid, 5))
    expected = EXPECTED[pid]
    assert (f"container_id:{expected}" if expected else "",) == (",".join(outcome.rows[0].tags),)
    name = f"container:{expected[:36]}" if expected else f"uid:5 pid:{pid}"
    assert [name] == [top.client for top in clients]


LINES = {
    b"a:1|c|c:ci-abc": "container_id:abc,pid:9,uid:5",
    b"a:1|c|#x:1|c:ci-abc|e:it-false,cn-web,pu-1-2|card:low": "cardinality:low,container_id:abc,"
    "container_name:web,pid:9,pod_uid:1-2,uid:5,x:1",
    b"a:1|c|c:in-12": "pid:9,uid:5",
    b"a:1|c|#": "pid:9,uid:5",
    b"a:1|c|#y|@1|#x:1|T1\r": "pid:9,uid:5,x:1",
    b"a:1|c|c:ci-a/b": "pid:9,uid:5",
    b"a:1|c|c:ci-" + b"x" * 64: f"container_id:{'x' * 64},pid:9,uid:5",
    b"a:1|c|c:ci-" + b"x" * 65: "pid:9,uid:5",
    b"a:1|c|c:" + b"in-1," * 120 + b"ci-far": "container_id:far,pid:9,uid:5",
}


@engine_kinds
@pytest.mark.parametrize("line", LINES)
def test_tags(kind: EngineKind, proc: str, line: bytes) -> None:
    """What is known becomes tags beside those that were sent; what is not plain is left out."""
    options = EngineOptions(origin_tags=EVERYTHING, proc_dir=proc)
    outcome, _ = feed(kind, [line], options, process=Process(9, 5))
    assert [LINES[line]] == [",".join(row.tags) for row in outcome.rows]


@engine_kinds
def test_lines_of_several_origins(kind: EngineKind, proc: str) -> None:
    """Each line has what it says itself, and each datagram what the kernel says of its sender."""
    lines = [b"%d:1|c|c:ci-%d|card:%d" % (i, i % 3 // 2, i % 5 // 4) for i in range(30)]
    engine = open_engine(
        kind, EngineOptions(origin_tags=EVERYTHING, proc_dir=proc), start_ms=START_MS
    )
    reader = engine.open_reader("x")
    for start in range(0, 30, 2):
        sender = Process(9, start % 4)
        reader.feed(b"\n".join(lines[start : start + 2]), now_ns=NOW_NS, process=sender)
    outcome = close_interval(engine, PLAN)
    engine.close()
    expected = {
        str(i): f"cardinality:{i % 5 // 4},container_id:{i % 3 // 2},pid:9,uid:{i // 2 * 2 % 4}"
        for i in range(30)
    }
    assert expected == {row.name: ",".join(row.tags) for row in outcome.rows}


@engine_kinds
def test_nothing_is_tagged_by_default(kind: EngineKind) -> None:
    """Without origin_tags a series is what its sender has written."""
    line = b"a:1|c|#x:1|c:ci-abc|e:cn-web|card:low"
    outcome, _ = feed(kind, [line], EngineOptions(), process=Process(1, 5))
    assert [("x:1",)] == [row.tags for row in outcome.rows]


@engine_kinds
def test_many_lines(kind: EngineKind, proc: str) -> None:
    """A datagram that outgrows any buffer once its lines are tagged counts as it came."""
    packet = b"a:1|c\n" * 1365
    options = EngineOptions(origin_tags=EVERYTHING, proc_dir=proc)
    outcome, _ = feed(kind, [packet], options, process=Process(1, 5))
    total = outcome.total
    assert [(1365.0, (f"container_id:{ID}", "pid:1", "uid:5"))] == [
        (row.value, row.tags) for row in outcome.rows
    ]
    assert (1, len(packet), 1365) == (total.whole, total.bytes, total.accepted)


TAGS = b"pid:9,uid:5"
SIDE_LINES = {
    b"_e{1,1}:a|b": b"_e{1,1}:a|b|#" + TAGS,
    b"_e{1,3}:a||#b|p:low|#x:1|t:info": b"_e{1,3}:a||#b|p:low|#x:1,%s|t:info" % TAGS,
    b"_e{01,+0}:a||c:ci-abc": b"_e{01,+0}:a||c:ci-abc|#container_id:abc," + TAGS,
    b"_e{1,7}:a|c:ci-no|#": b"_e{1,7}:a|c:ci-no|#" + TAGS,
    b"_sc|a,b|0": b"_sc|a,b|0|#" + TAGS,
    b"_sc|a|2|#x|m:no, it is|e:cn-web": b"_sc|a|2|#x,container_name:web,%s|m:no, it is|e:cn-web"
    % TAGS,
    b"_sc|#a|1\r": b"_sc|#a|1|#" + TAGS,
}
UNREADABLE = [
    *(b"_e{", b"_e{1,1}", b"_e{1,1}:", b"_e{1,1}:a", b"_e{1,1}:ab", b"_e{1,1}:a|", b"_e{1,1}:a|bc"),
    *(b"_e{0,1}:|b", b"_e{1,-1}:a|b", b"_e{,1}:a|b", b"_e{1,}:a|b", b"_e{1}:a|b", b"_e{1,1:a|b}:"),
    *(
        b"_e{1,%s}:a|b" % (b"9" * 30),
        b"_e{%s,1}:a|b" % (b"9" * 30),
        b"_e{1,1,}:a|b",
        b"_e{1,1} :a|b",
    ),
    *(b"_sc|", b"_sc|a"),
]


@engine_kinds
@pytest.mark.parametrize("name_tags", [NameTags(0), NameTags.INFLUXDB])
def test_side_lines(kind: EngineKind, proc: str, name_tags: NameTags) -> None:
    """Events and checks get tags behind what they say, however much it looks like fields."""
    options = EngineOptions(origin_tags=EVERYTHING, proc_dir=proc, grammar=Grammar(name_tags))
    outcome, _ = feed(kind, [b"\n".join(SIDE_LINES)], options, process=Process(9, 5))
    assert list(SIDE_LINES.values()) == [line for _, line in outcome.side_log]


@pytest.mark.parametrize(("sent", "tagged"), SIDE_LINES.items())
def test_side_lines_say_the_same(sent: bytes, tagged: bytes) -> None:
    """Where they come from is in the tags of events and checks, and nothing else is changed."""
    parse = parse_event if sent.startswith(b"_e{") else parse_check
    before, after = (parse(line.removesuffix(b"\r"), 5, ()) for line in (sent, tagged))
    assert before is not None
    assert after is not None
    assert {"pid:9", "uid:5"} <= set(after.tags) - set(before.tags)
    assert before == replace(after, tags=before.tags)


@engine_kinds
def test_what_is_wrong_stays_as_it_is(kind: EngineKind, proc: str) -> None:
    """What cannot have fields gets no tags: they would hide what is wrong with it."""
    options = EngineOptions(origin_tags=EVERYTHING, proc_dir=proc)
    packet = b"\n".join([*UNREADABLE, b"a:1", b"", b"\r"])
    outcome, _ = feed(kind, [packet], options, process=Process(9, 5))
    assert UNREADABLE == [line for _, line in outcome.side_log]
    rejected = outcome.total.rejected["no_colon_or_pipe"]
    assert (len(UNREADABLE) + 1, 1) == (outcome.total.lines, rejected)


@engine_kinds
@pytest.mark.parametrize(("most", "client"), [(0, "container:abc"), (5, "10.0.0.1")])
def test_claims(kind: EngineKind, most: int, client: str) -> None:
    """What a client says of itself names its account, but no bound goes by it."""
    options = EngineOptions(max_series_per_client=most)
    _, clients = feed(kind, [b"a:1|c|c:ci-abc\nb:1|c"], options, client="10.0.0.1")
    assert [client] == [top.client for top in clients]


@engine_kinds
def test_a_process_is_remembered(kind: EngineKind, tmp_path: Path) -> None:
    """For ten seconds, also when it has ended; then another may have its number."""
    group = tmp_path / "7" / "cgroup"
    group.parent.mkdir()
    group.write_text(f"0::/{ID}\n")
    options = EngineOptions(origin_tags=(OriginTag.CONTAINER_ID,), proc_dir=str(tmp_path))
    engine = open_engine(kind, options, start_ms=START_MS)
    reader = engine.open_reader("x")
    for name, after_s in ((b"first", 0), (b"remembered", 9), (b"forgotten", 11)):
        reader.feed(name + b":1|c", now_ns=NOW_NS + after_s * 1_000_000_000, process=Process(7, 5))
        group.unlink(missing_ok=True)
    outcome = close_interval(engine, PLAN)
    engine.close()
    tagged = {row.name for row in outcome.rows if row.tags}
    assert {"first", "remembered"} == tagged
