"""Fan-out: one packet to eight snippets, whose answers a `merge` brings together."""

from __future__ import annotations

from aiohttp import web

from benchmarks.scenarios.scenario import ByHand, Floor, Flow, Load, Probe, Scenario, Setting

WIDTH = 8

FLOW = "\n".join(
    [
        """
- kind: listener
  name: web
  port: $PORT
  ports: {out: [{name: routes}]}
- kind: router
  name: routes
  routes:
    - {method: GET, path: /multiples/:number, port: 'out[0]'}
  ports:
    out[0]:""",
        *(f"      - {{name: times {factor}}}" for factor in range(1, WIDTH + 1)),
        *(
            f"- {{kind: snippet, name: times {factor}, code: 'int(params.number) * {factor}', "
            f"ports: {{out: [{{name: all, port: 'in[{factor - 1}]'}}]}}}}"
            for factor in range(1, WIDTH + 1)
        ),
        """
- kind: merge
  name: all
  ports: {out: [{name: answer}]}
- {kind: snippet, name: answer, code: '{"multiples": self}'}
""",
    ]
)


def application(_setting: Setting) -> web.Application:
    async def multiples(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        return web.json_response({"multiples": [number * factor for factor in range(1, WIDTH + 1)]})

    app = web.Application()
    app.add_routes([web.get("/multiples/{number}", multiples)])
    return app


FAN = Scenario(
    name="fan",
    title="HTTP: fan-out to eight and merge",
    text="One request goes to eight snippets of CEL at once; a `merge` makes one list of what they find.",
    flows={"flow": Flow("`listener → router →` eight `snippet(cel)` `→ merge → snippet(cel)`", FLOW)},
    applications={"application": ByHand("aiohttp, a list in one function", application)},
    floor=Floor('{"multiples": [7, 14, 21, 28, 35, 42, 49, 56]}', "application/json"),
    probes=(
        Probe("GET", "/multiples/7"),
        Probe("GET", "/multiples/0"),
        Probe("GET", "/multiples/-12"),
        Probe("GET", "/multiples", status=404),
    ),
    load=Load("/multiples/7"),
)
