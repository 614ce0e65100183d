from __future__ import annotations

from datetime import UTC, datetime

import pytest

from engine.cli.states import Standing, served, standing
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


def row(revision, **states):
    """A daemon that names only what is not simply active."""
    return Instance("i", "host", 7, "default", NOW, NOW, revision=revision, states=states, active=3)


def test_what_a_daemon_does_not_name_is_active_if_it_has_read_it():
    assert standing(SPEC, [row(5)]) == Standing("active", "5", "1/1")
    assert standing(SPEC, [row(9), row(5, **{ID: KEPT})]) == Standing("failed", "5", "1/2", "boom (revision 4 runs on)")
    assert standing(SPEC, [row(4)]) == Standing("-", "-", "0/1", "daemon host:7 has not taken it up")


def test_which_revision_a_daemon_runs():
    assert served(ID, [2, 4, 6], row(5)) == 4
    assert served(ID, [2, 4, 6], row(6)) == 6
    assert served(ID, [2, 4, 6], row(1)) is None
    assert served(ID, [2, 4, 6], row(6, **{ID: SpecState(6, "failed", "boom", (), 2)})) == 2
    assert served(ID, [2, 4, 6], instances(None)[0]) is None, "an older version names all that it runs"


def test_daemons_of_other_namespaces_have_no_say():
    assert standing(SPEC.replace(namespace="other"), instances(ACTIVE)) == Standing()
