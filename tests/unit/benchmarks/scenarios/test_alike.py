"""The check that all give the same answers would notice when they do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from benchmarks.peers import SCENARIO as PEER
from benchmarks.scenarios import alike
from benchmarks.scenarios.alike import check
from benchmarks.scenarios.ping import PING
from benchmarks.scenarios.scenario import Probe
from benchmarks.scenarios.servers import BrokenError

SCENARIO = replace(PING, probes=(Probe("GET", "/good"), Probe("GET", "/bad", status=404)))
GOOD = {"/good": (200, "text/plain", b"Hello"), "/bad": (404, "text/plain", b"no")}


@dataclass
class Fake:
    port: dict

    def said(self):
        return "a traceback"


@pytest.fixture
def answers(monkeypatch):
    """Check servers that answer so."""
    monkeypatch.setattr(alike, "ask", lambda port, probe: port[probe.path])
    return lambda *found: check(SCENARIO, {f"server {index}": Fake(each) for index, each in enumerate(found)})


def test_the_same_is_the_same(answers):
    answers(GOOD, GOOD, GOOD)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"/good": (200, "text/plain", b"Hullo")}, r"GET /good of 'server 1' answers .*Hullo.*, others .*Hello"),
        ({"/good": (200, "application/json", b"Hello")}, "others"),
        ({"/good": (201, "text/plain", b"Hello")}, "not with status 200"),
        ({"/bad": (405, "text/plain", b"no")}, "not with status 404; it says: a traceback"),
        ({"/bad": (404, "text/plain", b"none")}, "others"),
    ],
)
def test_another_answer_is_noticed(answers, other, words):
    with pytest.raises(BrokenError, match=words):
        answers(GOOD, GOOD | other)


def test_the_first_one_must_do_as_the_scenario_says(answers):
    with pytest.raises(BrokenError, match="not with status 404"):
        answers(GOOD | {"/bad": (200, "text/plain", b"no")})


def test_a_refusal_in_other_words_is_the_same_refusal(answers):
    answers(GOOD, GOOD | {"/bad": (404, "application/problem+json", b"{}")})


def test_the_peer_is_asked_what_the_flow_is_asked():
    assert all(probe in PING.probes for probe in PEER.probes)
