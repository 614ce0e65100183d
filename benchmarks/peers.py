"""Node-RED, from npm, beside the ping: the same flow, `http in → function → http response`.

Not part of a usual run: it fetches some three hundred packages that nobody has asked for, and needs the network. Its table
is one run of its own, so that every ratio in it is taken within that run, and the section stays when others are measured.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

from benchmarks.part import Effort, MissingError, Outcome, Part, Told
from benchmarks.rated import compare
from benchmarks.scenarios.contenders import Contender, contenders
from benchmarks.scenarios.ping import PING, TEXT
from benchmarks.scenarios.report import reached_beside, scenario_picture, scenario_table
from benchmarks.scenarios.scenario import Probe, Setting
from benchmarks.scenarios.servers import HOST, PATIENCE, BrokenError, Server, free_port

VERSION = "4.1.8"
PICTURE = "peers.svg"
SCENARIO = replace(PING, title="HTTP: ping, beside Node-RED", probes=(Probe("GET", "/ping"), Probe("GET", "/ping?a=1")))

NODES: list[dict[str, Any]] = [
    {"id": "tab", "type": "tab", "label": "ping"},
    {"id": "in", "z": "tab", "type": "http in", "url": "/ping", "method": "get", "wires": [["hello"]]},
    {
        "id": "hello",
        "z": "tab",
        "type": "function",
        "func": f"msg.payload = {json.dumps(TEXT)};\n"
        "msg.headers = {'Content-Type': 'text/plain; charset=utf-8'};\nreturn msg;",
        "outputs": 1,
        "wires": [["out"]],
    },
    {"id": "out", "z": "tab", "type": "http response", "wires": []},
]
SETTINGS = """
module.exports = {
  flowFile: "flows.json",
  httpAdminRoot: false,
  uiHost: "127.0.0.1",
  logging: {console: {level: "error"}},
  telemetry: {enabled: false, updateNotification: false},
};
"""


def part() -> Part:
    """The part."""
    return Part(
        name="peers",
        title=SCENARIO.title,
        text=(
            f"The ping, and the same flow in Node-RED {VERSION} (`http in → function → http response`) on this machine's Node. "
            "Made by `make bench PART=peers`."
        ),
        takes=150,
        run=run,
        programs=("wrk", "node", "npm"),
        usual=False,
    )


def run(effort: Effort, told: Told) -> Outcome:
    """Install Node-RED, and measure. Raises :class:`MissingError` where npm cannot get it."""
    with TemporaryDirectory(prefix="weir-bench-") as folder:
        told(f"npm installs node-red {VERSION}")
        program = install(Path(folder))
        ours = [each for each in contenders(SCENARIO) if each.name != "logged"]
        peer = Contender("peer", f"Node-RED {VERSION}", "peer", lambda setting: start(program, setting))
        taking_part = [*ours, peer]
        turns = compare(SCENARIO, taking_part, effort, told)
    text = f"{scenario_table(SCENARIO, taking_part, turns)}\n\n![{SCENARIO.title}](pictures/{PICTURE})"
    picture = scenario_picture(SCENARIO, taking_part, turns)
    return Outcome(text, {"peer": reached_beside(turns, "flow", "peer")}, {PICTURE: picture})


def install(folder: Path) -> Path:
    """Node-RED, in a folder. Raises :class:`MissingError` with what npm says."""
    npm = shutil.which("npm")
    assert npm is not None
    command = [npm, "install", "--no-audit", "--no-fund", "--loglevel=error", f"node-red@{VERSION}"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise MissingError(f"npm cannot install node-red: {done.stderr.strip()[-500:]}")
    return folder / "node_modules" / "node-red" / "red.js"


class Peer(Server):
    """Node-RED. It opens its port before its flows answer there."""

    def until_ready(self) -> None:
        """Wait until the flow answers. Raises :class:`BrokenError` with what Node-RED has said when it does not."""
        super().until_ready()
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                with urlopen(f"http://{HOST}:{self.port}/ping", timeout=5.0):
                    return
            except HTTPError:
                time.sleep(0.05)
        raise BrokenError(f"Node-RED has not started its flows: {self.said()}")


def start(program: Path, setting: Setting) -> Server:
    """Node-RED with the flow, in a folder of its own."""
    port = free_port()
    (setting.folder / "flows.json").write_text(json.dumps(NODES), encoding="utf-8")
    (setting.folder / "settings.js").write_text(SETTINGS, encoding="utf-8")
    node = shutil.which("node")
    assert node is not None
    command = [node, str(program), "--userDir", str(setting.folder), "--port", str(port)]
    return Peer(command, port, folder=setting.folder, environment={"NODE_ENV": "production"})
