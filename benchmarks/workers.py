"""What several workers cost beside one: requests per second of processor time, and how evenly the work is spread.

    python -m benchmarks.workers [--workers 2] [--rounds 7] [--seconds 2] [--connections 32]

Real daemons serve `listener → router → snippet(text)` and are loaded in turns (`wrk`, one thread, so many connections for
each worker): one of a single worker, several such daemons at once, and one of several workers; once with connections that
are kept, once with a new one for each request. What counts is the processor time that the serving processes have used, from
`/proc`. All of them are on one core, the load generator has another. Several processes slow each other down, be they
workers of one daemon or not, so the daemons side by side tell what of that is the machine's. The ratios are taken per round.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self
from urllib.request import urlopen

from benchmarks.scenarios.servers import LOADING, PROJECT, SERVING, on_core

FLOW = """
- kind: listener
  name: web
  port: {port}
  ports: {{out: [{{name: routes}}]}}
- kind: router
  name: routes
  routes:
    - {{method: GET, path: /ping, port: 'out[0]'}}
    - {{method: GET, path: /users/:id, port: 'out[1]'}}
  ports: {{'out[0]': [{{name: hello}}]}}
- {{kind: snippet, name: hello, language: text, code: 'Hello, world!'}}
"""

LOADS = {"connections that are kept": [], "a new connection for each request": ["-H", "Connection: close"]}

TICKS = os.sysconf("SC_CLK_TCK")


class Turn(NamedTuple):
    """One turn: requests that were answered, and the seconds of processor time of each process that serves."""

    requests: int
    seconds: list[float]

    @property
    def rate(self) -> float:
        """Requests per second of processor time."""
        return self.requests / sum(self.seconds)

    @property
    def share(self) -> float:
        """The part of the busiest process; 1/n is even."""
        return max(self.seconds) / sum(self.seconds)


class Daemon:
    """A `weir start` of so many workers, in a folder of its own."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._folder = tempfile.TemporaryDirectory(prefix="weir-workers-")
        self.port, self.admin = free_port(), free_port()
        specs = Path(self._folder.name) / "web.yaml"
        specs.write_text(FLOW.format(port=self.port))
        command = [sys.executable, "-m", "engine.cli", "start", "--workers", str(workers), "--from-specs", str(specs)]
        environment = {
            "WEIR_STORE_URL": f"sqlite:///{self._folder.name}/weir.db",
            "WEIR_ADMIN_LISTEN": f"127.0.0.1:{self.admin}",
            "WEIR_LOG_FORMAT": "json",
        }
        with on_core(SERVING):
            self.process = subprocess.Popen(
                command, cwd=PROJECT, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
            )
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if '"daemon.started"' in line:
                break
        else:
            raise SystemExit("the daemon did not start")
        self._sink = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL)
        with urlopen(f"http://127.0.0.1:{self.admin}/readyz") as response:
            health: dict[str, Any] = json.load(response)
        self.pids = [each["pid"] for each in health.get("workers", [])] or [self.process.pid]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()
        self._sink.wait()
        self._folder.cleanup()

    def turn(self, options: list[str], *, seconds: int, connections: int) -> Turn:
        """Load it for so many seconds, with so many connections for each worker. Answers other than 200 are an error."""
        before = [processor_time(pid) for pid in self.pids]
        command = [
            "wrk",
            f"-c{connections * self.workers}",
            "-t1",
            f"-d{seconds}",
            *options,
            f"http://127.0.0.1:{self.port}/ping",
        ]
        with on_core(LOADING):
            output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        used = [processor_time(pid) - earlier for pid, earlier in zip(self.pids, before, strict=True)]
        found = re.search(r"(\d+) requests in", output)
        if "Non-2xx" in output or "Socket errors" in output or found is None:
            raise SystemExit(output)
        return Turn(int(found[1]), used)


def processor_time(pid: int) -> float:
    """Seconds of processor time, its own and the system's for it, that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def measure(*, workers: int, rounds: int, seconds: int, connections: int) -> str:
    """The table, as Markdown."""
    head = (
        f"HTTP, {connections} connections for each worker",
        "requests per second of processor time, 1 worker",
        f"{workers} daemons of 1 worker at once",
        f"{workers} workers",
        "of 1 worker (least to most)",
        f"of {workers} daemons",
        "part of the busiest worker (median, most)",
    )
    rows = [f"| {' | '.join(head)} |", "| --- |" + " ---: |" * (len(head) - 1)]
    with ExitStack() as stack:
        apart = [stack.enter_context(Daemon(1)) for _ in range(workers)]
        together = stack.enter_context(Daemon(workers))
        for title, options in LOADS.items():

            def load(daemons: list[Daemon], options: list[str] = options) -> Turn:
                return at_once(daemons, options, seconds=seconds, connections=connections)

            load([*apart, together])
            turns = [(load(apart[:1]), load(apart), load([together])) for _ in range(rounds)]
            shares = [ours.share for _, _, ours in turns]
            cells = [
                title,
                *(f"{statistics.median(turn[column].rate for turn in turns):,.0f}" for column in range(3)),
                *(spread([turn[2].rate / turn[column].rate for turn in turns]) for column in range(2)),
                f"{statistics.median(shares):.0%}, {max(shares):.0%}",
            ]
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def at_once(daemons: list[Daemon], options: list[str], *, seconds: int, connections: int) -> Turn:
    """Load several daemons at the same time; their turns as one."""
    with ThreadPoolExecutor() as threads:
        turns = list(threads.map(lambda each: each.turn(options, seconds=seconds, connections=connections), daemons))
    return Turn(sum(turn.requests for turn in turns), [each for turn in turns for each in turn.seconds])


def spread(ratios: list[float]) -> str:
    """The median, the least and the most."""
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=2)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    if shutil.which("wrk") is None or not Path("/proc/self/stat").exists():
        raise SystemExit("this benchmark needs wrk (apt-get install wrk), and /proc")
    print(
        measure(
            workers=options.workers,
            rounds=options.rounds,
            seconds=options.seconds,
            connections=options.connections,
        )
    )


if __name__ == "__main__":
    main()
