"""The program of a worker: `weir start` with several workers starts it; it is no verb."""

from __future__ import annotations

import sys
from typing import NoReturn

from engine.cli.loop import run_loop
from engine.daemon.supervisor.worker import leave_signals_to_the_supervisor, serve


def main(descriptor: int) -> NoReturn:
    """Serve for the supervisor at the other end of this socket, and exit."""
    leave_signals_to_the_supervisor()
    sys.exit(run_loop(serve(descriptor)))
