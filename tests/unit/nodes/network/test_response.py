"""Answers as responses: what the listener's tests leave open."""

from __future__ import annotations

import gzip
import zlib

import pytest

from engine.errors import WeirError
from nodes.network.response import response_of


def respond(body, content_type=None, accept=None, **header):
    lines = {"Content-Type": content_type, **{name.replace("_", "-"): value for name, value in header.items()}}
    return response_of({"header": lines, "body": body}, accept)


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        ({"a": [1, "x y"], "b": "ä"}, "application/x-www-form-urlencoded", b"a=1&a=x+y&b=%C3%A4"),
        ("text", "application/json", b'"text"'),
        ({"a": 1}, "application/vnd.api+json", b'{"a":1}'),
        ("ä", "text/html; charset=latin-1", b"\xe4"),
        ({"a": 1}, "text/plain", b'{"a":1}'),
        ("<svg/>", "image/svg+xml", b"<svg/>"),
        (b"\x00", "application/json", b"\x00"),
    ],
)
def test_the_content_type_of_the_response_decides(body, content_type, expected):
    response = respond(body, content_type)
    assert (response.content_type, response.body) == (content_type, expected)


def test_a_body_that_has_no_such_form_says_what_it_is():
    response = respond({"a": 1}, "multipart/form-data; boundary=x")
    assert (response.content_type, response.body) == ("application/json", b'{"a":1}')


@pytest.mark.parametrize(
    ("body", "accept", "expected"),
    [
        ("text", "application/json", ("application/json", b'"text"')),
        ("text", "text/html,*/*;q=0.8", ("text/plain; charset=utf-8", b"text")),
        ([1], "text/plain", ("application/json", b"[1]")),
    ],
)
def test_accept_chooses_where_there_is_a_choice(body, accept, expected):
    response = response_of(body, accept)
    assert (response.content_type, response.body) == expected


def test_a_content_encoding_is_applied_to_what_is_not_bytes():
    assert gzip.decompress(respond("text", Content_Encoding="gzip").body) == b"text"
    assert zlib.decompress(respond([1], Content_Encoding="deflate").body) == b"[1]"
    assert respond("text", Content_Encoding="identity").body == b"text"
    assert respond(b"packed", Content_Encoding="br").body == b"packed"


def test_text_that_is_no_unicode_is_escaped_in_json():
    assert response_of(["\ud800"], None).body == b'["\\ud800"]'


def test_framing_and_what_only_requests_have_is_left_out():
    header = {"content-length": "999", "Transfer-Encoding": "chunked", "Cookie": "secret", "X-None": None, "X": True}
    assert respond("x", **header).lines == (("X", "true"),)


@pytest.mark.parametrize(("status", "expected"), [(None, 200), (404, 404), (404.0, 404)])
def test_a_status(status, expected):
    assert response_of({"status": status}, None).status == expected


@pytest.mark.parametrize("status", [0, 100, 199, 600, 200.5, "200", False, [200]])
def test_what_is_no_status(status):
    with pytest.raises(WeirError, match="status of a response"):
        response_of({"status": status}, None)


def test_a_charset_that_cannot_write_the_body():
    with pytest.raises(WeirError, match="cannot be written in ascii"):
        respond("ä", "text/plain; charset=ascii")
    with pytest.raises(WeirError, match="'klingon' of a response is not known"):
        respond("ä", "text/plain; charset=klingon")
