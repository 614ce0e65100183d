"""Media types and the choice of one."""

from __future__ import annotations

import pytest

from nodes.network.media import negotiate, parse_media_type

OFFERS = ("text/plain", "application/json")


def test_a_media_type_is_taken_apart():
    media = parse_media_type('Text/HTML; Charset="a\\"b;c"; q=0.5')
    assert media.name == "text/html"
    assert dict(media.parameters) == {"charset": 'a"b;c', "q": "0.5"}
    assert not media.is_json
    assert parse_media_type("application/problem+json").is_json
    assert parse_media_type("") is None
    assert parse_media_type("text") is None


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "text/plain"),
        ("application/json", "application/json"),
        ("application/*;q=0.9, text/plain;q=0.1", "application/json"),
        ("text/*, application/json;q=0.9", "text/plain"),
        ("*/*;q=0.1, application/json", "application/json"),
        ("*/*, text/plain;q=0", "application/json"),
        ("text/*;q=0.2, text/plain;q=0.9, application/json;q=0.5", "text/plain"),
        ("image/png", "text/plain"),
        ("", "text/plain"),
        ("nonsense, application/json;q=x", "text/plain"),
        ("application/json;q=7, text/plain;q=-1", "application/json"),
    ],
)
def test_the_preferred_offer(accept, expected):
    assert negotiate(accept, OFFERS) == expected
