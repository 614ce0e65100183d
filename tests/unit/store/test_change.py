from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from engine.errors import InvalidError
from engine.store.change import HistoryEntry

ENTRY = HistoryEntry(
    3, "put", "default", "id", "a", datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "ada", "why", {"kind": "probe"}
)


def test_the_public_form_of_a_revision_leads_back():
    form = json.loads(json.dumps(ENTRY.to_json()))
    assert HistoryEntry.from_json(form) == ENTRY
    assert HistoryEntry.from_json({**form, "from a newer version": 1}) == ENTRY


@pytest.mark.parametrize("form", [None, [], {}, {**ENTRY.to_json(), "time": "noon"}])
def test_a_wrong_form_of_a_revision(form):
    with pytest.raises(InvalidError, match="form of a revision"):
        HistoryEntry.from_json(form)
