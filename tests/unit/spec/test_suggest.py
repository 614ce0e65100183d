"""Did you mean …?"""

from __future__ import annotations

import pytest

from engine.spec.suggest import did_you_mean, hint

FIELDS = ["name", "namespace", "kind", "labels", "matches", "threshold", "base_url", "code"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("nmae", "name"),
        ("Name", "name"),
        ("knd", "kind"),
        ("label", "labels"),
        ("match", "matches"),
        ("treshold", "threshold"),
        ("baseUrl", "base_url"),
        ("base-url", "base_url"),
        ("cod", "code"),
        ("codes", "code"),
        ("zzz", None),
        ("", None),
        ("x", None),
    ],
)
def test_the_nearest_word(word, meant):
    assert did_you_mean(word, FIELDS) == meant


def test_no_candidates_and_itself():
    assert did_you_mean("a", []) is None
    assert did_you_mean("name", ["name"]) is None


def test_the_hint():
    assert hint("nmae", FIELDS) == "did you mean 'name'?"
    assert hint("zzz", FIELDS) is None
