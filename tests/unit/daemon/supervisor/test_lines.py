"""Whole lines on a shared standard error."""

from __future__ import annotations

import os
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from engine.daemon.supervisor.lines import Lines, portions

texts = st.lists(st.text("abc", max_size=12), max_size=12).map(lambda lines: "".join(f"{line}\n" for line in lines))


@given(texts, st.integers(1, 20))
def test_portions_are_whole_lines_and_lose_nothing(text, size):
    found = list(portions(text.encode(), size=size))
    assert b"".join(found) == text.encode()
    for portion in found:
        assert portion.endswith(b"\n")
        assert len(portion) <= size or portion.count(b"\n") == 1


@given(texts, st.integers(1, 20))
def test_there_are_no_more_portions_than_needed(text, size):
    found = list(portions(text.encode(), size=size))
    for one, next_one in pairwise(found):
        first = next_one[: next_one.index(b"\n") + 1]
        assert len(one) + len(first) > size


def test_a_text_without_an_end_of_line_is_written_as_it_is():
    assert list(portions(b"abcdef", size=3)) == [b"abcdef"]
    assert list(portions(b"")) == []


def test_they_are_written_at_once():
    reader, writer = os.pipe()
    try:
        stream = Lines(writer)
        stream.write("grüße \udc80\n")
        stream.flush()
        assert os.read(reader, 100) == "grüße \\udc80\n".encode()
        assert not stream.isatty()
    finally:
        os.close(reader)
        os.close(writer)
