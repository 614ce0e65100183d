"""Ping: a listener, a router, and a snippet that answers with a text."""

from __future__ import annotations

from aiohttp import web

from benchmarks.scenarios.scenario import ByHand, Floor, Flow, Load, Probe, Scenario, Setting

TEXT = "Hello, world!"

FLOW = f"""
- kind: listener
  name: web
  port: $PORT
  ports: {{out: [{{name: routes}}]}}
- kind: router
  name: routes
  routes:
    - {{method: GET, path: /ping, port: 'out[0]'}}
    - {{method: GET, path: /users/:id, port: 'out[0]'}}
  ports: {{'out[0]': [{{name: hello}}]}}
- {{kind: snippet, name: hello, language: text, code: '{TEXT}'}}
"""


def application(_setting: Setting) -> web.Application:
    async def hello(_request: web.Request) -> web.Response:
        return web.Response(text=TEXT)

    app = web.Application()
    app.add_routes([web.get("/ping", hello), web.get("/users/{id}", hello)])
    return app


PING = Scenario(
    name="ping",
    title="HTTP: ping",
    text="A listener, a router and a snippet that answers with a text.",
    flows={
        "flow": Flow("`listener → router → snippet(text)`", FLOW),
        "logged": Flow("the same, with the access log", FLOW, log="info"),
    },
    applications={"application": ByHand("aiohttp, an application with a router", application)},
    floor=Floor(TEXT),
    probes=(
        Probe("GET", "/ping"),
        Probe("GET", "/ping?a=1"),
        Probe("GET", "/users/7"),
        Probe("GET", "/nowhere", status=404),
        Probe("POST", "/ping", {"a": 1}, status=405),
    ),
    load=Load("/ping"),
    rounds=15,
)
