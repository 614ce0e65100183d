"""All scenarios, by name."""

from __future__ import annotations

from types import MappingProxyType

from benchmarks.scenarios.chain import CHAIN
from benchmarks.scenarios.crud import CRUD
from benchmarks.scenarios.fan import FAN
from benchmarks.scenarios.order import ORDER
from benchmarks.scenarios.patience import PATIENCE
from benchmarks.scenarios.ping import PING
from benchmarks.scenarios.scenario import Scenario
from benchmarks.scenarios.script import SCRIPT
from benchmarks.scenarios.zones import ZONES

SCENARIOS = MappingProxyType({each.name: each for each in (PING, CHAIN, ORDER, CRUD, ZONES, FAN, SCRIPT, PATIENCE)})
RATED: tuple[Scenario, ...] = (PING, CHAIN, ORDER, CRUD, ZONES, FAN, SCRIPT)
"""Those that are measured in requests per second."""
