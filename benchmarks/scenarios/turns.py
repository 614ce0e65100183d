"""The load, turn by turn: who is compared takes turns, and each turn tells the rate and the processor time."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.scenarios.scenario import Load, Scenario
from benchmarks.scenarios.servers import HOST, LOADING, BrokenError, Server, on_core

CONNECTIONS = 32
PATIENCE = "30s"
"""How long `wrk` waits for an answer; on a busy machine one may take long, and that is no error."""
_REQUESTS = re.compile(r"(\d+) requests in")
_RATE = re.compile(r"Requests/sec:\s+([\d.]+)")


@dataclass(frozen=True, slots=True)
class Turn:
    """What a server did in a turn: requests a second, and requests a second of its own processor time."""

    rate: float
    efficiency: float


Turns = Mapping[str, list[Turn]]
"""The turns of each that takes part, in the order of the rounds."""


def measure(
    scenario: Scenario,
    servers: Mapping[str, Server],
    *,
    rounds: int,
    seconds: int,
    told: Callable[[str], None] = lambda _text: None,
) -> Turns:
    """So many rounds, in each of which every server has a turn. `told` hears of each round.

    Every other round goes the other way round, so that nobody always comes after the same one. Raises :class:`BrokenError`
    for any answer that is no success.
    """
    found: dict[str, list[Turn]] = {name: [] for name in servers}
    with TemporaryDirectory(prefix="weir-bench-") as folder:
        script = Path(folder) / "load.lua"
        script.write_text(scenario.load.script, encoding="utf-8")
        for server in servers.values():
            turn(server, scenario.load, script, seconds=1)  # what is made once is made now
        for number in range(rounds):
            told(f"round {number + 1} of {rounds}")
            order = list(servers)[:: 1 if number % 2 == 0 else -1]
            for name in order:
                found[name].append(turn(servers[name], scenario.load, script, seconds=seconds))
    return found


def turn(server: Server, load: Load, script: Path, *, seconds: int) -> Turn:
    """One turn of `wrk` on a core of its own. Raises :class:`BrokenError` for answers that are no success."""
    command = ["wrk", f"-c{CONNECTIONS}", "-t1", f"-d{seconds}", "--timeout", PATIENCE]
    if load.script:
        command += ["-s", str(script)]
    before = server.processor_time()
    with on_core(LOADING):
        done = subprocess.run(
            [*command, f"http://{HOST}:{server.port}{load.path}"], capture_output=True, text=True, check=False
        )
    used = server.processor_time() - before
    try:
        return read_turn(done.stdout + done.stderr, used)
    except BrokenError as error:
        raise BrokenError(f"{error}\nthe server says: {server.said() or 'nothing'}") from None


def read_turn(output: str, used: float) -> Turn:
    """What `wrk` said, with the seconds of processor time that the server has used. Raises :class:`BrokenError`."""
    requests, rate = _REQUESTS.search(output), _RATE.search(output)
    if requests is None or rate is None or "Non-2xx" in output or "Socket errors" in output:
        raise BrokenError(f"wrk got answers that are no success, or none:\n{output}")
    if used <= 0:
        raise BrokenError("the server used no processor time: has it been somebody else's port?")
    return Turn(float(rate[1]), int(requests[1]) / used)
