"""Ids of requests."""

from __future__ import annotations

import uuid

import pytest

from nodes.network.identity import RequestIds, is_sane


def test_ids_are_uuids_of_version_7_in_order():
    ids = RequestIds()
    made = [ids.make() for _ in range(5000)]
    assert made == sorted(set(made))
    assert {(uuid.UUID(each).version, uuid.UUID(each).variant) for each in made} == {(7, uuid.RFC_4122)}


def test_a_clock_that_goes_back_does_not_matter(monkeypatch):
    times = iter([2_000_000_000, 1_000_000_000, 1_000_000_000])
    monkeypatch.setattr("nodes.network.identity.time_ns", lambda: next(times))
    ids = RequestIds()
    made = [ids.make() for _ in range(3)]
    assert made == sorted(set(made))


@pytest.mark.parametrize(
    ("text", "sane"),
    [("abc-1", True), ("x" * 128, True), ("x" * 129, False), ("", False), ("a b", False), ("ä", False)],
)
def test_what_a_client_may_call_its_request(text, sane):
    assert is_sane(text) is sane
