"""A chain of five CEL snippets, beside a ping in the same run: what five steps cost."""

from __future__ import annotations

from aiohttp import web

from benchmarks.scenarios import ping
from benchmarks.scenarios.scenario import ByHand, Floor, Flow, Load, Probe, Scenario, Setting

TEXT = "Hello, ping from here!"

FLOW = """
- kind: listener
  name: web
  port: $PORT
  ports: {out: [{name: routes}]}
- kind: router
  name: routes
  routes:
    - {method: GET, path: /ping, port: 'out[0]'}
    - {method: GET, path: /users/:id, port: 'out[0]'}
  ports: {'out[0]': [{name: chain}]}
- kind: step
  name: chain
  specs:
    - {kind: snippet, code: '{"path": path, "host": host}'}
    - {kind: snippet, code: '{"path": path, "near": host.startsWith("127.")}'}
    - {kind: snippet, code: 'near && path == "/ping" ? "ping from here" : "ping from far"'}
    - {kind: snippet, code: '"Hello, " + self'}
    - {kind: snippet, code: 'self + "!"'}
"""


def application(_setting: Setting) -> web.Application:
    async def hello(request: web.Request) -> web.Response:
        near = request.host.startswith("127.") and request.path == "/ping"
        return web.Response(text=f"Hello, {'ping from here' if near else 'ping from far'}!")

    app = web.Application()
    app.add_routes([web.get("/ping", hello), web.get("/users/{id}", hello)])
    return app


CHAIN = Scenario(
    name="chain",
    title="HTTP: five CEL snippets",
    text="A request goes through five snippets of CEL, one after another. Beside it, in the same run, a ping: the difference is what five steps cost.",
    flows={
        "flow": Flow("`listener → router →` five `snippet(cel)`", FLOW),
        "ping": Flow("a ping: `listener → router → snippet(text)`", ping.FLOW.replace(ping.TEXT, TEXT)),
    },
    applications={"application": ByHand("aiohttp, the same in one function", application)},
    floor=Floor(TEXT),
    probes=(Probe("GET", "/ping"), Probe("GET", "/nowhere", status=404)),
    load=Load("/ping"),
)
