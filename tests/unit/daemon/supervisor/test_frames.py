"""Frames with descriptors on a socket, however they are cut."""

from __future__ import annotations

import os
import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.daemon.supervisor import frames
from engine.daemon.supervisor.frames import Reader, Writer, pack
from engine.errors import UnavailableError


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


def inode(descriptor):
    return os.fstat(descriptor).st_ino


@given(st.lists(st.text(max_size=20), max_size=8), st.integers(1, 9))
def test_they_come_whole_however_the_stream_is_cut(texts, size):
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        data = b"".join(pack(text) for text in texts)
        reader, found = Reader(theirs), []
        for start in range(0, len(data), size):
            ours.sendall(data[start : start + size])
            assert reader.read()
            found += [form for form, _ in reader.frames()]
        assert found == texts


def test_descriptors_come_with_their_frame(pair):
    ours, theirs = pair
    writer, reader = Writer(ours), Reader(theirs)
    pipes = [os.pipe() for _ in range(3)]
    sent = [read for read, _ in pipes]
    writer.put("two", sent[:2])
    writer.put("none")
    writer.put("one", sent[2:])
    expected = [inode(descriptor) for descriptor in sent]
    for read, write in pipes:
        os.close(read)  # they were doubled
        os.close(write)
    assert writer.write()
    found = []
    while len(found) < 3:
        assert reader.read()
        found += list(reader.frames())
    assert [form for form, _ in found] == ["two", "none", "one"]
    assert [[inode(each) for each in descriptors] for _, descriptors in found] == [expected[:2], [], expected[2:]]
    for descriptor in (each for _, descriptors in found for each in descriptors):
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)


def test_what_the_socket_does_not_take_waits(pair):
    ours, theirs = pair
    writer, reader = Writer(ours), Reader(theirs)
    text = "x" * 5_000_000
    writer.put(text)
    assert not writer.write()
    found, done = [], False
    while not found:
        assert reader.read()
        found += [form for form, _ in reader.frames()]
        done = writer.write()
    assert done
    assert found == [text]


def test_the_end_is_told(pair):
    ours, theirs = pair
    reader = Reader(theirs)
    assert reader.read()  # nothing yet
    ours.close()
    assert not reader.read()


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("!IB", 2**32 - 1, 0),
        struct.pack("!IB", 1, 255),
        struct.pack("!IB", 2, 1) + b"{}",
        struct.pack("!IB", 1, 0) + b"{",
    ],
)
def test_what_is_no_frame_is_refused(pair, data):
    ours, theirs = pair
    ours.sendall(data)
    reader = Reader(theirs)
    assert reader.read()
    with pytest.raises(UnavailableError):
        list(reader.frames())


def test_one_that_is_too_large_is_not_sent(monkeypatch):
    monkeypatch.setattr(frames, "LARGEST", 10)
    with pytest.raises(UnavailableError, match="too much"):
        pack("x" * 20)
