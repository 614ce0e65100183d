"""What a child may not do, even if somebody breaks out of V8: little is left that it could reach.

It has no environment, no file but its line and the one for its last words, and may open no more; its folder is the root; it
makes no processes and no threads; it gains no rights by running a program; it leaves no core dump; its memory has a limit; and if
the machine runs out of memory, it goes before the daemon does. System calls are not filtered.

The kernel counts *data* here: memory that is private and may be written to, also where nothing has been written yet. V8
reserves half a gigabyte of it from the start, so the limit is set when the isolate has been made, from what there is then.
"""

from __future__ import annotations

import ctypes
import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from engine.language.javascript.engine import Settings

LINUX = sys.platform == "linux"

_SET_PARENT_DEATH_SIGNAL = 1
_SET_NAME = 15
_SET_NO_NEW_PRIVILEGES = 38

_SPARE = 64 * 2**20
"""Bytes that V8 and Python may need beside the heap and a copy of what is in it."""
_MOST_WORDS = 64 * 1024
"""Bytes that a child may write to a file; V8's last words are some hundred."""
_FIRST_TO_GO = "800"
"""Of -1000 to 1000, added to the share of the memory by which the kernel chooses its victim."""


def confine_zygote() -> None:
    """For the zygote, and all that it forks."""
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)
    os.chdir("/")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:  # one for each child
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):  # macOS calls it unlimited, and does not mean it
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    _prctl()(_SET_NO_NEW_PRIVILEGES, 1)
    name("weir-zygote")


def die_with(parent: int) -> None:
    """End this process when `parent`, which has one thread, ends; at once if it has ended."""
    _prctl()(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def name(text: str) -> None:
    """What the process is called in lists of processes."""
    _prctl()(_SET_NAME, text.encode())


def confine_child(settings: Settings) -> None:
    """For a child that has its isolate."""
    if LINUX:
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_GO, encoding="ascii")
        data = _data() + 2 * settings.memory + _SPARE
        _lower(resource.RLIMIT_DATA, data)
    _lower(resource.RLIMIT_FSIZE, _MOST_WORDS)
    _lower(resource.RLIMIT_NOFILE, 1)  # poll(2) wants as many as it looks at; the lowest numbers are all taken
    _lower(resource.RLIMIT_NPROC, 0)


def _lower(kind: int, value: int) -> None:
    """Set a limit, unless there is a lower one already."""
    _, hard = resource.getrlimit(kind)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


def _data() -> int:
    """Bytes of this process that count for RLIMIT_DATA."""
    found = re.search(r"VmData:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii", errors="replace"))
    assert found is not None
    return int(found[1]) * 1024


@cache
def _prctl() -> Callable[..., int]:
    """The system call; where there is none, nothing. Found by the zygote once, for all its children."""
    if not LINUX:
        return lambda *_arguments: 0
    function = ctypes.CDLL(None, use_errno=True).prctl
    function.restype = ctypes.c_int

    def call(option: int, value: int | bytes) -> int:
        argument = ctypes.c_char_p(value) if isinstance(value, bytes) else ctypes.c_ulong(value)
        zero = ctypes.c_ulong(0)
        return int(function(ctypes.c_int(option), argument, zero, zero, zero))

    return call
