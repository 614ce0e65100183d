from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.cli.states import Standing, standing
from engine.spec.model import parse_spec
from engine.store.instance import Instance, SpecState

ID = "0192f0c1-2345-7abc-8def-0123456789ab"
SPEC = parse_spec({"kind": "probe", "name": "a", "id": ID}).replace(revision=5)
NOW = datetime(2026, 1, 1, tzinfo=UTC)

ACTIVE = SpecState(5, "active", None, (), 5)
OLD = SpecState(4, "active", None, (), 4)
KEPT = SpecState(5, "failed", "boom", (), 4)
PENDING = SpecState(5, "pending", "no node 'b'")


def instances(*states):
    return [
        Instance(f"i{pid}", "host", pid, "default", NOW, NOW, states={} if state is None else {ID: state})
        for pid, state in enumerate(states)
    ]


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((), Standing()),
        ((ACTIVE,), Standing("active", "5", "1/1")),
        ((ACTIVE, OLD, ACTIVE), Standing("active", "4", "2/3")),
        ((ACTIVE, PENDING, None), Standing("pending", "5", "1/3", "no node 'b'")),
        ((PENDING, KEPT), Standing("failed", "5", "0/2", "boom (revision 4 runs on)")),
        ((ACTIVE, None), Standing("-", "-", "1/2", "daemon host:1 has not taken it up")),
        ((SpecState(4, "draining", None, (), 4),), Standing("draining", "4", "0/1", "(revision 4 runs on)")),
    ],
)
def test_the_worst_one_speaks(states, expected):
    assert standing(SPEC, instances(*states)) == expected


def test_daemons_of_other_namespaces_have_no_say():
    assert standing(SPEC.replace(namespace="other"), instances(ACTIVE)) == Standing()
