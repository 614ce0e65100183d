from __future__ import annotations

import json

import pytest

VALUES = "- {name: v, data: hunter2}\n- {name: w, data: 2}\n"


@pytest.fixture
def keys(weir):
    for name in ("old", "new", "other"):
        (weir.folder / name).write_text(name[-1].encode().hex() * 32)
        (weir.folder / name).chmod(0o600)
    weir("apply", "values", "-f", "-", input=VALUES, env={"WEIR_VALUES_KEY": "file:old"})
    return {"WEIR_VALUES_KEY": "file:new,file:old"}


def rotate(weir, *args, **options):
    return weir("store", "rotate", "--store", weir.store, *args, **options)


def test_all_values_are_sealed_anew(weir, keys):
    assert rotate(weir, env=keys).stdout == "2 sealed anew, 0 were sealed with the first key already\n"
    assert rotate(weir, env=keys).stdout == "0 sealed anew, 2 were sealed with the first key already\n"
    shown = weir("get", "values", "-o", "json", "--reveal", env={"WEIR_VALUES_KEY": "file:new"})
    assert [(each["data"], each["revision"]) for each in json.loads(shown.stdout)] == [("hunter2", 1), (2, 2)]
    assert shown.stderr == ""


def test_machines_get_numbers(weir, keys):
    told = json.loads(rotate(weir, "-o", "json", env=keys).stdout)
    assert told == {"sealed": 2, "current": 0, "problems": [], "left": None}


def test_what_cannot_be_opened_is_told_and_left(weir, keys):
    result = rotate(weir, env={"WEIR_VALUES_KEY": "file:other"}, code=1)
    assert result.stdout == "0 sealed anew, 0 were sealed with the first key already; 2 could not be opened\n"
    assert "value 'v' in namespace 'default' cannot be opened" in result.stderr
    assert rotate(weir, env=keys).stdout.startswith("2 sealed anew")


def test_a_key_that_is_missing(weir, keys):
    result = rotate(weir, env={"WEIR_VALUES_KEY": "file:none,file:old"}, code=1)
    assert "the key file none cannot be read" in result.stderr


def test_a_store_without_values_needs_no_key(weir):
    weir("apply", "-f", "-", input="{kind: probe, name: a}")
    assert rotate(weir).stdout == "0 sealed anew, 0 were sealed with the first key already\n"
    assert not list(weir.folder.glob("*.key"))
