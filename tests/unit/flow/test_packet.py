"""Payloads, none, and how several answers become one."""

from __future__ import annotations

import copy
import pickle

from hypothesis import given
from hypothesis import strategies as st

from engine.errors import ErrorValue
from engine.flow import NONE, Packet, join


def test_none_is_one_thing_and_no_null() -> None:
    assert not NONE
    assert NONE is not None
    assert copy.copy(NONE) is copy.deepcopy(NONE) is pickle.loads(pickle.dumps(NONE)) is NONE
    assert repr(NONE) == "none"


def test_a_packet_knows_whether_it_is_an_error() -> None:
    assert Packet(ErrorValue("no"), "in").is_error
    assert not Packet("no", "in").is_error


@given(st.lists(st.sampled_from([NONE, None, 0, "", 1, "a", "error one", "error two"]), max_size=6))
def test_join(answers) -> None:
    errors = {"error one": ErrorValue("one"), "error two": ErrorValue("two")}
    answers = [errors.get(answer, answer) if isinstance(answer, str) else answer for answer in answers]
    wrong = [answer for answer in answers if isinstance(answer, ErrorValue)]
    some = [answer for answer in answers if answer is not NONE]
    joined = join(answers)
    if not some:
        assert joined is NONE
    elif len(wrong) == 1:
        assert joined is wrong[0]
    elif wrong:
        assert joined.causes == tuple(wrong)
        assert joined.text == "\n".join(each.text for each in wrong)
    else:
        assert joined == (some[0] if len(some) == 1 else some)
