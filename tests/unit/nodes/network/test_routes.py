"""The tree of routes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodes.network.routes import PatternError, Routes, parse_pattern


def routes(*entries):
    found = Routes()
    for entry in entries:
        method, _, pattern = entry.rpartition(" ")
        found.add(method or "GET", pattern, entry)
    return found


@pytest.mark.parametrize(
    ("path", "expected", "params"),
    [
        ("/u/me", "/u/me", {}),
        ("/u/42", "/u/:id", {"id": "42"}),
        ("/u/", "/*", {"*": "u/"}),
        ("/u", "/*", {"*": "u"}),
        ("/", "/*", {"*": ""}),
        ("/u/me/x", "/u/:id/x", {"id": "me"}),
        ("/u/me/y", "/*", {"*": "u/me/y"}),
        ("/files/", "/files/*", {"*": ""}),
        ("/files/a/b", "/files/*", {"*": "a/b"}),
        ("/files", "/*", {"*": "files"}),
        ("/u/a%2Fb", "/u/:id", {"id": "a/b"}),
        ("/u/%6De", "/u/me", {}),
        ("/u/a%20b", "/u/:id", {"id": "a b"}),
        ("/u/%FF", "/u/:id", {"id": "%FF"}),
        ("/u/100%25", "/u/:id", {"id": "100%"}),
    ],
)
def test_text_before_parameter_before_wildcard(path, expected, params):
    tree = routes("/*", "/u/:id", "/u/me", "/u/:id/x", "/files/*")
    assert tree.find("GET", path) == (expected, params)


def test_it_goes_back_where_a_branch_leads_nowhere():
    tree = routes("/a/b/c", "/a/:x/d", "/:y/b/e")
    assert tree.find("GET", "/a/b/d") == ("/a/:x/d", {"x": "b"})
    assert tree.find("GET", "/a/b/e") == ("/:y/b/e", {"y": "a"})
    assert tree.find("GET", "/b/b/f") is None


def test_an_earlier_segment_counts_more_than_a_later_one():
    tree = routes("/a/*", "/:y/b")
    assert tree.find("GET", "/a/b") == ("/a/*", {"*": "b"})


def test_the_method_decides_which_route_fits():
    tree = routes("GET /u/me", "POST /u/:id", "* /x", "GET /*")
    assert tree.find("POST", "/u/me") == ("POST /u/:id", {"id": "me"})
    assert tree.find("GET", "/x") == ("* /x", {})
    assert tree.find("DELETE", "/x") == ("* /x", {})
    assert tree.find("HEAD", "/u/me") == ("GET /u/me", {})
    assert tree.find("DELETE", "/u/me") is None
    assert tree.allowed("/u/me") == ["GET", "HEAD", "OPTIONS", "POST"]
    assert routes("/a").allowed("/b") == []


def test_a_slash_at_the_end_means_something():
    tree = routes("/a", "/b/")
    assert tree.find("GET", "/a/") is None
    assert tree.find("GET", "/b") is None
    assert tree.find("GET", "/b/") == ("/b/", {})


def test_escaped_characters_are_text():
    tree = routes(r"/v1/items\:batch", r"/\:x", r"/\*")
    assert tree.find("GET", "/v1/items:batch") == (r"/v1/items\:batch", {})
    assert tree.find("GET", "/:x") == (r"/\:x", {})
    assert tree.find("GET", "/y") is None
    assert tree.find("GET", "/*") == (r"/\*", {})


def test_two_names_for_one_place():
    tree = routes("GET /u/:id", "POST /u/:name/x")
    assert tree.find("GET", "/u/1")[1] == {"id": "1"}
    assert tree.find("POST", "/u/1/x")[1] == {"name": "1"}


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("a", "begins with a slash"),
        ("", "begins with a slash"),
        ("/*/a", "nothing can follow"),
        ("/a*", "a whole segment"),
        ("/:", "needs a name"),
        ("/:a/:a", "two parameters named 'a'"),
        ("/a?b=1", "no query"),
    ],
)
def test_a_bad_pattern(pattern, reason):
    with pytest.raises(PatternError, match=reason):
        parse_pattern(pattern)


@pytest.mark.parametrize(("one", "two"), [("/a", "/a"), ("/:a", "/:b"), ("/a%20b", "/a b"), ("/*", "/*")])
def test_a_route_that_is_there_already(one, two):
    tree = Routes()
    tree.add("GET", one, 1)
    tree.add("POST", two, 2)
    with pytest.raises(PatternError, match="already"):
        tree.add("GET", two, 2)


def test_a_static_route_is_one_look_up():
    tree = routes("GET /a/b", "POST /a/b", "/a/:x", "/x%2Fy")
    assert tree.static == {"/a/b": {"GET": "GET /a/b", "POST": "POST /a/b"}}


SEGMENT = st.sampled_from(["a", "b", ":x", ":y", "c"])
PATTERN = st.tuples(st.lists(SEGMENT, max_size=4), st.booleans()).map(
    lambda made: (
        "/"
        + "/".join([*(f"{each}{i}" if each[0] == ":" else each for i, each in enumerate(made[0]))] + ["*"] * made[1])
    )
)


def rank(pattern, path):
    """How well a pattern fits, read off the rules one segment at a time; None if it does not."""
    wanted, given_ = pattern[1:].split("/"), path[1:].split("/")
    score = []
    for index, segment in enumerate(wanted):
        if segment == "*":
            return [*score, 2] if index < len(given_) else None
        if (
            index >= len(given_)
            or (segment[:1] != ":" and segment != given_[index])
            or not (segment[:1] != ":" or given_[index])
        ):
            return None
        score.append(1 if segment[:1] == ":" else 0)
    return score if len(wanted) == len(given_) else None


@given(st.lists(PATTERN, max_size=8), st.lists(st.sampled_from(["a", "b", "c", "d", ""]), min_size=1, max_size=5))
def test_the_tree_finds_what_comparing_every_pattern_would(patterns, segments):
    tree, known = Routes(), {}
    for pattern in patterns:
        shape = tuple(":" if part[:1] == ":" else part for part in pattern.split("/"))
        if known.setdefault(shape, pattern) == pattern:
            try:
                tree.add("GET", pattern, pattern)
            except PatternError:
                continue
    path = "/" + "/".join(segments)
    fitting = [(rank(pattern, path), pattern) for pattern in known.values() if rank(pattern, path) is not None]
    found = tree.find("GET", path)
    assert (found[0] if found else None) == (min(fitting)[1] if fitting else None)
