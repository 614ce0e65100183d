"""Isolates in processes: what they answer, how they die, and that nothing of them is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from engine.errors import ExpressionError
from engine.language.javascript.engine import Settings, Status
from engine.language.javascript.module import rewrite
from engine.language.javascript.process import isolate as isolate_module
from engine.language.javascript.process.frames import FrameError, Load
from engine.language.javascript.process.isolate import V8Processes

PROJECT = Path(__file__).resolve().parents[5]


def code(text):
    return "R\nP" + json.dumps(text)


def test_a_text_is_answered(make):
    asker = make()
    assert asker.ask(code("1 + 1")).text == "D\nP2"
    assert asker.ask(code("'ü🙂\\ud800'")).text == 'D\nP"ü🙂\\ud800"'


def test_a_text_and_an_answer_may_be_larger_than_what_a_socket_holds(make):
    asker = make("export default (a) => a + a")
    text = "x" * 3_000_000
    reply = asker.ask(code(text))
    assert reply.text == f'D\nP"{text}{text}"'


def test_sending_never_waits_for_a_child_that_does_not_read(make, processes):
    asker = make("export default (a) => a.length")
    (child,) = processes.isolates()
    os.kill(child, signal.SIGSTOP)
    asker.begin(code("x" * 3_000_000))
    os.kill(child, signal.SIGCONT)
    assert asker.reply().text == "D\nP3000000"


def test_the_progress_of_a_long_text_is_known_and_it_can_be_interrupted(make, processes):
    asker = make("export default (a) => { while (a); return a }")
    asker.begin("R\nP0\nP0\nP1\nP0")
    processes.wait_until(lambda: asker.isolate.progress() == 2)
    asker.isolate.interrupt()
    assert asker.reply().status is Status.STOPPED
    assert asker.isolate.progress() == 2
    assert asker.ask("S").text == "D\nP0\nP0"


def test_memory_within_the_heap_is_v8s_to_limit(make):
    asker = make()
    reply = asker.ask(code("const all = []; while (true) all.push([all])"))
    assert reply.status is Status.MEMORY
    asker.isolate.lift_limit()
    assert asker.ask("S").status is Status.DONE


LARGE = "let s = 'x'; while (s.length < 2 ** 28) s += s;"
FATAL = {
    "match": f"{LARGE} /x/g[Symbol.match](s).length",
    "split": f"{LARGE} /x/[Symbol.split](s).length",
    "key": f"{LARGE} ({{[s]: 1}})",
    "eval": f"{LARGE} eval(s)",
    "normalize": f"{LARGE} s.normalize('NFKD').length",
    "segments": f"{LARGE} [...new Intl.Segmenter().segment(s)].length",
    "deep pattern": "new RegExp('(?='.repeat(1e5) + ')'.repeat(1e5)).test('x')",
    "wide pattern": "new RegExp('(?:a|b)'.repeat(1e6)).test('x')",
}


@pytest.mark.parametrize("name", FATAL)
def test_what_is_fatal_to_v8_is_an_answer(make, processes, name):
    victim, asker = make(), make()
    assert asker.ask(code(FATAL[name])).status is Status.STARVED
    assert asker.ask(code("1")).status is Status.STARVED  # and is so from now on
    assert victim.ask(code("1")).text == "D\nP1"
    asker.isolate.close()
    assert len(processes.isolates()) == 1


@pytest.mark.parametrize("builtin", ["Array.from({length: 2 ** 32 - 1})", "String.raw({raw: {length: 2 ** 53 - 1}})"])
def test_what_looks_at_no_interrupt_ends_with_its_process(make, processes, builtin):
    asker = make(f"export default (a) => a && {builtin}")
    asker.begin("R\nP1")
    processes.wait_until(lambda: asker.isolate.progress() == 0)
    asker.isolate.interrupt()
    assert asker.isolate.progress() == 0
    asker.isolate.close()
    processes.wait_until(lambda: not processes.isolates())


def test_a_process_that_is_killed_from_outside_answers_with_that(make, processes):
    asker = make("export default (a) => { while (a); }")
    asker.begin("R\nP1")
    processes.wait_until(lambda: asker.isolate.progress() == 0)
    (child,) = processes.isolates()
    os.kill(child, signal.SIGKILL)
    reply = asker.reply()
    assert (reply.status, reply.text) == (Status.DIED, "SIGKILL")


def test_without_its_zygote_nothing_lives_and_the_next_isolate_gets_another(make, processes, caplog):
    askers = [make(), make()]
    (zygote,) = processes.zygotes()
    os.kill(zygote, signal.SIGKILL)
    for asker in askers:
        processes.wait_until(lambda asker=asker: asker.ask(code("1")).status is Status.DIED)
    processes.wait_until(lambda: not processes.all())
    assert make().ask(code("1")).text == "D\nP1"
    assert processes.zygotes() != {zygote}
    assert "is gone" in caplog.text


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_what_a_service_manager_or_a_terminal_sends_to_everybody_is_not_for_them(make, processes, sign):
    asker = make()
    for process in processes.all():
        assert os.getpgid(process) != os.getpgid(0)
        os.kill(process, sign)
    assert asker.ask(code("1")).text == "D\nP1"


PARENT = """
import queue, sys
from engine.language.javascript.engine import Settings
from engine.language.javascript.module import rewrite
from engine.language.javascript.process.isolate import V8Processes
engine = V8Processes(memory=2**24)
isolate = engine.isolate(rewrite("export default (a) => Array.from({length: 2 ** 32 - 1})"), Settings(2**28, False))
replies = queue.SimpleQueue()
isolate.run('R\\nP1', replies.put); replies.get()
isolate.run('C', replies.put)
while isolate.progress() is None: pass
print(engine._switchboard._zygote.pid, flush=True)
replies.get()
"""


@pytest.mark.parametrize("of", ["daemon", "daemon while the zygote is stopped"])
def test_the_death_of_the_daemon_leaves_nothing(processes, of):
    daemon = subprocess.Popen([sys.executable, "-c", PARENT], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    with daemon:
        zygote = int(daemon.stdout.readline())
        theirs = processes.all() - {daemon.pid}
        assert len(theirs) == 2
        if of != "daemon":
            os.kill(zygote, signal.SIGSTOP)
        daemon.kill()
    if of != "daemon":
        # The one that runs wild has heard of it by itself.
        processes.wait_until(lambda: sum(map(is_alive, theirs)) == 1)
        os.kill(zygote, signal.SIGCONT)
    processes.wait_until(lambda: not any(map(is_alive, theirs)))


def is_alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_many_isolates_leave_nothing(make, processes):
    def files():
        return len(os.listdir("/proc/self/fd"))

    make().isolate.close()
    processes.wait_until(lambda: not processes.isolates())
    (zygote,) = processes.zygotes()
    before = files(), len(os.listdir(f"/proc/{zygote}/fd")), threading.active_count()
    for _ in range(100):
        make("export default 1").isolate.close()
    processes.wait_until(lambda: not processes.isolates())
    processes.wait_until(lambda: (files(), len(os.listdir(f"/proc/{zygote}/fd")), threading.active_count()) == before)


def test_isolates_do_not_share_what_is_random(make):
    random = code("Math.random()")
    assert make().ask(random) != make().ask(random)


def test_the_time_zone_is_the_daemons(make, monkeypatch):
    monkeypatch.setenv("TZ", "America/Sao_Paulo")
    assert make().ask(code("new Date(0).getTimezoneOffset()")).text == "D\nP180"


def test_an_isolate_that_cannot_be_made_says_why(engine, processes):
    wrong = Load("(", common=False, settings=Settings(memory=2**24, log=False))
    with pytest.raises(ExpressionError, match=r"could not be made: .*SyntaxError"):
        isolate_module.ProcessIsolate(engine._switchboard, wrong)
    processes.wait_until(lambda: not processes.isolates())


def test_one_that_is_not_ready_in_time_is_given_up(engine, processes, monkeypatch):
    monkeypatch.setattr(isolate_module, "_MAKE_SECONDS", 0.0)
    with pytest.raises(ExpressionError, match="not ready after 0 s"):
        engine.isolate(rewrite("export default 1"), Settings(memory=2**24, log=False))
    processes.wait_until(lambda: processes.zygotes() and not processes.isolates())


def test_without_an_interpreter_there_are_no_isolates(engine, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ExpressionError, match=r"no process could be started: .*No such file"):
        engine.isolate(rewrite("export default 1"), Settings(memory=2**24, log=False))


def test_a_closed_engine_makes_none(processes):
    engine = V8Processes(memory=2**24)
    engine.close()
    engine.close()
    with pytest.raises(ExpressionError, match="is closed"):
        engine.isolate(rewrite("export default 1"), Settings(memory=2**24, log=False))
    assert not processes.all()


def test_nothing_is_heard_of_an_isolate_that_is_closed(make, processes):
    asker, other = make("export default (a) => { while (a); }"), make()
    asker.begin("R\nP1")
    asker.isolate.close()
    asker.isolate.close()
    asker.isolate.interrupt()
    processes.wait_until(lambda: len(processes.isolates()) == 1)
    assert other.ask(code("1")).text == "D\nP1"
    assert asker.replies.empty()


def test_a_child_that_does_not_keep_to_the_protocol_is_killed(make, processes, monkeypatch, caplog):
    asker = make()

    def refuse(kind, content):
        raise FrameError("a frame of kind b'?'")

    monkeypatch.setattr(asker.isolate, "on_frame", refuse)
    reply = asker.ask(code("1"))
    assert (reply.status, reply.text) == (Status.DIED, "SIGKILL")
    assert "does not keep to the protocol" in caplog.text
