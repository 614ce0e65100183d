"""Starting the zygote."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

# It finds the modules where this process finds them, and reads no settings of Python's from anywhere else.
_PROGRAM = """\
import sys
sys.path[:] = sys.argv[1:]
from engine.language.javascript.process.zygote import main
main()
"""

_ENVIRONMENT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "TZ", "LANG", "LC_ALL", "LC_MESSAGES")
"""What the interpreter may need to run at all, and what `Date` and `Intl` go by."""


def is_possible() -> bool:
    """Whether this system has what it takes, and there is an interpreter to start."""
    return bool(sys.executable) and hasattr(os, "fork") and hasattr(socket, "send_fds")


def start_zygote() -> tuple[subprocess.Popen[bytes], socket.socket]:
    """A new zygote and the socket to it. Returns before it is ready; raises OSError."""
    ours, its = socket.socketpair()
    with its:
        try:
            process = subprocess.Popen(  # noqa: S603  (our own program, on our own interpreter)
                [sys.executable, "-I", "-c", _PROGRAM, *map(os.path.abspath, sys.path)],
                stdin=its.fileno(),
                stdout=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
    return process, ours
