"""What scenarios are made of."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.rated import parts, reached
from benchmarks.scenarios.catalogue import RATED, SCENARIOS
from benchmarks.scenarios.contenders import contenders
from benchmarks.scenarios.scenario import Flow, Setting
from benchmarks.scenarios.turns import Turn
from benchmarks.scenarios.zones import CONDITIONS, COUNTRIES, zone_of
from benchmarks.targets import TARGETS
from engine.spec.model import parse_specs


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_flow_is_yaml_with_a_listener_on_the_port_it_is_given(name):
    for flow in SCENARIOS[name].flows.values():
        specs = parse_specs(flow.filled(Setting(Path("/nowhere"), 0.25), 1234), file="flow.yaml")
        [listener] = [spec for spec in specs if spec.kind == "listener"]
        assert listener.fields["port"] == 1234
        assert "$" not in str([spec.fields for spec in specs])


def test_what_a_flow_is_told_is_filled_in():
    flow = Flow("title", "{port: $PORT, source: $FOLDER/x.db, interval: $WAIT}")
    assert flow.filled(Setting(Path("/data"), 1.5), 80) == "{port: 80, source: /data/x.db, interval: 1500ms}"


def test_names_and_titles_are_there_once():
    names = [each.name for each in parts()]
    assert len({*names}) == len(names) == len({each.title for each in parts()})
    for scenario in SCENARIOS.values():
        taking_part = [each.name for each in contenders(scenario)]
        assert len({*taking_part}) == len(taking_part)


def test_every_condition_of_the_switch_is_tried():
    assert [zone_of(country) for country in COUNTRIES] == list(range(len(CONDITIONS)))


def test_figures_belong_to_targets():
    found = set()
    for scenario in RATED:
        turns = {each.name: [Turn(1.0, 1.0)] for each in contenders(scenario)}
        found |= reached(scenario, turns).keys()
    assert found == {"ping", "ping floor", "chain", "crud"}
    assert found < TARGETS.keys()
