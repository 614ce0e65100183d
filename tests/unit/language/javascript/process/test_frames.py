from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language.javascript.engine import Settings
from engine.language.javascript.process import frames


@given(st.lists(st.tuples(st.binary(min_size=1, max_size=1), st.binary(max_size=40))), st.data())
def test_frames_arrive_as_they_were_sent_however_they_are_cut(sent, data):
    stream = b"".join(frames.frame(kind, content) for kind, content in sent)
    incoming = frames.Frames(40)
    received = []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        received += incoming.feed(stream[:cut])
        stream = stream[cut:]
    assert received == sent


def test_a_frame_that_is_too_long_is_not_waited_for():
    incoming = frames.Frames(10)
    assert list(incoming.feed(frames.frame(b"D", b"x" * 10))) == [(b"D", b"x" * 10)]
    with pytest.raises(frames.FrameError, match="11 bytes"):
        list(incoming.feed(frames.frame(b"D", b"x" * 11)[:5]))


@given(st.none() | st.integers(0, 2**31 - 1), st.text(st.characters(exclude_categories=())))
def test_progress_and_text_come_back(finished, text):
    assert frames.progress_of(frames.with_progress(finished, text)) == (finished, text)


@pytest.mark.parametrize("content", [b"", b"abc", b"\0\0\0\0\xff"])
def test_what_is_no_progress_is_a_breach_of_the_protocol(content):
    with pytest.raises(frames.FrameError):
        frames.progress_of(content)


def test_what_is_loaded_comes_back():
    load = frames.Load("() => '\ud800'", common=True, settings=Settings(memory=5, log=True, slice=7))
    assert frames.Load.of(load.content()) == load
