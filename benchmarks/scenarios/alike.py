"""Whether all give the same answers. A comparison of programs that do different things says nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPConnection
from typing import Any

from benchmarks.scenarios.scenario import Probe, Scenario
from benchmarks.scenarios.servers import HOST, BrokenError, Server

Answer = tuple[int, str | None, Any]
"""Status, media type, and the body: as a value where it is JSON. Of a refusal only the status, unless both use JSON."""


def check(scenario: Scenario, servers: Mapping[str, Server]) -> None:
    """Ask each server for all probes, in their order. Raises :class:`BrokenError` for the first answer that differs."""
    expected: list[Answer] | None = None
    for name, server in servers.items():
        answers = [ask(server.port, probe) for probe in scenario.probes]
        for index, (probe, answer) in enumerate(zip(scenario.probes, answers, strict=True)):
            told = f"{scenario.name}: {probe.method} {probe.path} of {name!r} answers {answer}"
            if answer[0] != probe.status:
                raise BrokenError(f"{told}, not with status {probe.status}; it says: {server.said() or 'nothing'}")
            if expected is not None and _differs(answer, expected[index]):
                raise BrokenError(f"{told}, others {expected[index]}")
        expected = expected or answers


def ask(port: int, probe: Probe) -> Answer:
    """The answer of the server on a port."""
    body = probe.body if probe.body is None or isinstance(probe.body, bytes) else json.dumps(probe.body).encode()
    connection = HTTPConnection(HOST, port, timeout=30)
    try:
        connection.request(probe.method, probe.path, body, {} if body is None else {"Content-Type": "application/json"})
        response = connection.getresponse()
        data = response.read()
    finally:
        connection.close()
    media = response.headers.get_content_type() if data else None
    return response.status, media, json.loads(data) if media == "application/json" else data


def _differs(one: Answer, other: Answer) -> bool:
    if one[0] >= 400 and one[1] != other[1]:
        # Each has its own words for a request that is refused before the program sees it.
        return one[0] != other[0]
    return one != other
