"""What supervisor and worker say to each other."""

from __future__ import annotations

import json
import socket

import pytest

from engine.daemon.supervisor import messages
from engine.daemon.supervisor.link import _refused
from engine.daemon.supervisor.messages import (
    Begin,
    Drain,
    Failed,
    Gather,
    Listen,
    Ping,
    Ready,
    error_from_json,
    error_to_json,
    from_json,
    refusal,
    to_json,
)
from engine.errors import Code, InvalidError, UnavailableError


@pytest.mark.parametrize(
    "message",
    [
        Begin(1, 2, 3, None, {"workers": 3, "environment": {"A": "1"}}, True, ["id"]),
        Ping(),
        Drain(linger=True),
        Listen("default", "127.0.0.1", 80),
        Gather("cancel", "id"),
        Ready(["a"]),
        Failed({"message": "no"}),
    ],
)
def test_they_arrive_as_they_were(message):
    assert from_json(json.loads(json.dumps(to_json(message)))) == message


@pytest.mark.parametrize("form", [None, [], {}, {"kind": "nonsense"}, {"kind": "ping", "extra": 1}, {"kind": "listen"}])
def test_what_is_no_message_tells_of_versions(form):
    with pytest.raises(UnavailableError) as caught:
        from_json(form)
    assert "versions" in caught.value.hint


def test_every_message_has_a_kind():
    assert set(messages._KINDS.values()) == set(messages.Message.__args__)


def test_an_error_keeps_its_text_code_and_hint():
    error = error_from_json(error_to_json(InvalidError("too many", hint="take fewer")))
    assert (str(error), error.code, error.hint) == ("invalid argument: too many", Code.INVALID, "take fewer")
    assert error_from_json(error_to_json(ValueError("x"))).code is Code.INTERNAL


@pytest.mark.parametrize(
    "error", [OSError(98, "Address already in use"), socket.gaierror(-2, "Name or service not known")]
)
def test_a_refusal_is_the_same_error_on_the_other_side(error):
    found = _refused(refusal(error))
    assert (type(found), found.errno, found.strerror) == (type(error), error.errno, error.strerror)
