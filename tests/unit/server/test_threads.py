"""A kernel that has no thread left: said at the start, survived later."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading

import pytest
from click.testing import CliRunner

from tests.engines import needs_native
from tests.unit.server.test_server import CONFIG, Rig
from veneurpy.cli import main
from veneurpy.errors import VeneurpyError
from veneurpy.server.threads import check_threads

PROGRAM = """
import asyncio, os, signal, threading
from types import SimpleNamespace
from veneurpy.server import process

def refused(thread):
    raise RuntimeError("can't start new thread")

class Server:
    config = SimpleNamespace(shutdown_timeout=0.2)

    async def run(self):
        self.stopping = asyncio.Event()
        threading.Thread.start = refused
        os.kill(os.getpid(), signal.SIGTERM)
        await self.stopping.wait()
        {then}
        return 0

    def request_stop(self, cause):
        self.stopping.set()

process.GRACE_S = 0.0
raise SystemExit(process.run_process(Server))
"""


def refuse(thread: threading.Thread) -> None:
    """What `start` does beyond pids.max or RLIMIT_NPROC."""
    raise RuntimeError("can't start new thread")


def test_too_few_are_an_error_with_its_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that could be had end."""
    start, before = threading.Thread.start, threading.active_count()

    def start_some(thread: threading.Thread) -> None:
        if threading.active_count() >= before + 3:
            refuse(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    with pytest.raises(VeneurpyError, match=r"too few threads .*TasksMax="):
        check_threads()
    assert before == threading.active_count()


def test_the_start_says_which_limit_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever thread is refused first: that of the log here."""
    monkeypatch.setattr(threading.Thread, "start", refuse)
    ended = CliRunner().invoke(main, ["run", "--listen", "udp://127.0.0.1:0"])
    assert 1 == ended.exit_code
    assert ended.output.startswith("veneurpy: the kernel lets this process have too few threads")


@needs_native
async def test_flushes_and_the_stop_need_no_new_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """What others take of the limit after the start costs nothing that was received."""
    rig = Rig(CONFIG.replace("python", "native"))
    await rig.run()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        rig.send(b"hits:1|c")
        await rig.received(1)
        await rig.clock.run(10)
        await rig.flushed(1)
        rig.send(b"hits:2|c")
        assert await rig.stop() == 0
    assert [1.0, 2.0] == [point.value for point in rig.made[0].points]
    assert [] == rig.log.of("stop_failed")


@needs_native
async def test_a_start_that_fails_for_one_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """That of a reader, and the way back does not wait for it."""
    start = threading.Thread.start

    def start_others(thread: threading.Thread) -> None:
        if thread.name.startswith("reader"):
            refuse(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_others)
    with pytest.raises(RuntimeError, match="start new thread"):
        await Rig(CONFIG.replace("python", "native")).run()


@pytest.mark.parametrize(
    ("then", "code"),
    [("pass", 0), ("await asyncio.sleep(60)", -signal.SIGALRM)],
    ids=["it ends", "it hangs"],
)
def test_a_signal_stops_without_a_thread_that_watches(then: str, code: int) -> None:
    """Where that cannot be had, the kernel ends a stop that hangs."""
    program = PROGRAM.replace("{then}", then)
    assert code == subprocess.run([sys.executable, "-c", program], timeout=30).returncode
