"""Zones of a carrier: a `switch` of ten conditions, which cannot be a look-up in a table."""

from __future__ import annotations

from aiohttp import web

from benchmarks.scenarios.scenario import ByHand, Floor, Flow, Load, Probe, Scenario, Setting

CONDITIONS = (
    'params.country == "GB"',
    'params.country in ["DE", "AT", "CH"]',
    'params.country == "FR" || params.country == "MC"',
    'params.country in ["DK", "NO", "SE", "FI"]',
    'params.country in ["ES", "PT", "IT"]',
    'params.country in ["PL", "CZ", "SK", "HU"]',
    'params.country.startsWith("U")',
    'params.country in ["JP", "KR"]',
    'params.country in ["CN", "TW", "HK"]',
    "true",
)
COUNTRIES = ("GB", "AT", "FR", "NO", "IT", "HU", "US", "KR", "HK", "NZ")
"""One for each condition."""

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
    - {method: GET, path: /zones/:country, port: 'out[0]'}
  ports: {'out[0]': [{name: zone}]}
- kind: switch
  name: zone
  matches:""",
        *(f"    - {{when: '{when}', port: 'out[{index}]'}}" for index, when in enumerate(CONDITIONS)),
        "  ports:",
        *(f"    out[{index}]: [{{name: zone {index}}}]" for index in range(len(CONDITIONS))),
        *(
            f"- {{kind: snippet, name: zone {index}, language: text, code: zone {index}}}"
            for index in range(len(CONDITIONS))
        ),
    ]
)


def zone_of(country: str) -> int:
    """The same by hand."""
    if country == "GB":
        return 0
    if country in {"DE", "AT", "CH"}:
        return 1
    if country == "FR" or country == "MC":  # noqa: PLR1714
        return 2
    if country in {"DK", "NO", "SE", "FI"}:
        return 3
    if country in {"ES", "PT", "IT"}:
        return 4
    if country in {"PL", "CZ", "SK", "HU"}:
        return 5
    if country.startswith("U"):
        return 6
    if country in {"JP", "KR"}:
        return 7
    if country in {"CN", "TW", "HK"}:
        return 8
    return 9


def application(_setting: Setting) -> web.Application:
    async def zone(request: web.Request) -> web.Response:
        return web.Response(text=f"zone {zone_of(request.match_info['country'])}")

    app = web.Application()
    app.add_routes([web.get("/zones/{country}", zone)])
    return app


SCRIPT = (
    "local paths, turn = {"
    + ", ".join(f'"/zones/{country}"' for country in COUNTRIES)
    + """}, 0
request = function()
  turn = turn % #paths + 1
  return wrk.format("GET", paths[turn])
end
"""
)

ZONES = Scenario(
    name="zones",
    title="HTTP: a switch of ten conditions",
    text="Ten conditions of CEL, the first that holds decides; requests hold each of them in turn, so that half of them are tried on the average.",
    flows={"flow": Flow("`listener → router → switch → snippet(text)`", FLOW)},
    applications={"application": ByHand("aiohttp, ten `if`", application)},
    floor=Floor("zone 5"),
    probes=(
        *(Probe("GET", f"/zones/{country}") for country in COUNTRIES),
        Probe("GET", "/zones/CH"),
        Probe("GET", "/zones/UA"),
        Probe("GET", "/zones", status=404),
    ),
    load=Load("/zones/NZ", SCRIPT),
)
