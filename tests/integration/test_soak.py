"""The soak of benchmarks/soak.py, short: after a few thousand calls and some reloads nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import time
from pathlib import Path

import pytest

from benchmarks.soak import RELOAD_EVERY, Soak, sample, table
from engine.language.javascript import JavaScriptProgram
from engine.language.javascript.compiler import ENGINES

CALLS = 3 * RELOAD_EVERY

pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="counts threads and files in /proc")


@pytest.mark.parametrize("engine", ENGINES)
def test_calls_and_reloads_leave_nothing_behind(engine):
    asyncio.run(Soak(engine).run(RELOAD_EVERY))  # whatever is made once and kept
    before = sample(0, 0.0)
    soak = Soak(engine)
    asyncio.run(soak.run(CALLS))
    samples, counts = soak.samples, (soak.answers, soak.errors, soak.lines)
    del soak
    until = time.monotonic() + 10
    while (after := sample(0, 0.0)).threads > before.threads and time.monotonic() < until:
        os.sched_yield()  # a thread that was joined is still in /proc for a moment

    assert counts == (CALLS * 49 // 50, CALLS // 50, CALLS // 100)
    assert (after.threads, after.files) == (before.threads, before.files)
    assert after.objects - before.objects < 100
    assert [each.calls for each in samples] == [0, 1000, 2000, 3000]
    # One program runs at a time; the threads of those that were replaced may take a moment to end.
    assert max(each.threads for each in samples[1:]) <= before.threads + 4
    assert not [each for each in gc.get_objects() if isinstance(each, JavaScriptProgram)]
    assert table("calls", samples).count("\n") == 4
