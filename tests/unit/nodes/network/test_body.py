"""Bodies of requests."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import Code, InvalidError, WeirError
from nodes.network.body import decode_body, decode_json, decompress


def header(content_type=None, coding=None):
    lines = {"Content-Type": content_type, "Content-Encoding": coding}
    return {name: [value] for name, value in lines.items() if value is not None}


def decode(data, content_type=None, coding=None, limit=1000):
    return decode_body(data, header(content_type, coding), limit=limit)


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        (b"[1]", None, b"[1]"),
        (b"[1]", "image/png", b"[1]"),
        (b"[1]", "nonsense", b"[1]"),
        (b"[1]", 'Application/JSON; charset="utf-8"', [1]),
        (b"\xef\xbb\xbf[1]", "application/json", [1]),
        ("[1]".encode("utf-16"), "application/json", [1]),
        (b"", "image/png", None),
        (b"a", "text/csv", "a"),
    ],
)
def test_the_content_type_decides(data, content_type, expected):
    assert decode(data, content_type) == expected


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_json_comes_back_as_it_was(value):
    found = decode_json(json.dumps(value).encode())
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a"\n  1}', "malformed JSON at line 2 column 3: Expecting ':' delimiter"),
        (b"[1] 2", "malformed JSON at line 1 column 5: Extra data"),
        (b'"\xff"', "malformed JSON: byte 2 is not UTF-8"),
        (b"NaN", "malformed JSON: NaN is no JSON"),
        (b"[-Infinity]", "malformed JSON: -Infinity is no JSON"),
        (b"[" * 100_000, "malformed JSON: it is nested too deeply"),
        (b"1" * 5000, "malformed JSON: "),
    ],
)
def test_malformed_json(data, reason):
    with pytest.raises(InvalidError) as caught:
        decode_json(data)
    assert caught.value.reason.startswith(reason)


@given(st.binary(max_size=3000), st.sampled_from(["gzip", "x-gzip", "deflate", "raw", "identity"]))
def test_what_was_compressed_comes_back(data, coding):
    raw = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(data, mtime=0),
        "x-gzip": gzip.compress(data, mtime=0),
        "deflate": zlib.compress(data),
        "raw": raw.compress(data) + raw.flush(),
        "identity": data,
    }[coding]
    assert decompress(packed, "deflate" if coding == "raw" else coding, limit=3000) == data


def test_codings_are_undone_last_one_first():
    data = gzip.compress(zlib.compress(b"hello"))
    assert decode(data, "text/plain", "deflate, GZIP") == "hello"


def test_a_gzip_body_of_several_members():
    data = gzip.compress(b"a" * 30, mtime=0) + gzip.compress(b"b" * 30)
    assert decode(data, coding="gzip") == b"a" * 30 + b"b" * 30
    with pytest.raises(WeirError) as caught:
        decode(data, coding="gzip", limit=59)
    assert caught.value.code is Code.TOO_LARGE


def test_the_limit_is_that_of_the_unpacked_body():
    assert len(decode(gzip.compress(bytes(1000)), coding="gzip", limit=1000)) == 1000
    with pytest.raises(WeirError) as caught:
        decode(gzip.compress(bytes(1001)), coding="gzip", limit=1000)
    assert caught.value.code is Code.TOO_LARGE


def test_a_bomb_is_not_inflated():
    bomb = gzip.compress(bytes(20_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(WeirError):
            decode(bomb, coding="gzip")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "data",
    [b"nonsense", gzip.compress(b"hello", mtime=0)[:-9], gzip.compress(b"hello", mtime=0) + b"rest"],
    ids=["nonsense", "cut off", "more behind it"],
)
def test_malformed_gzip(data):
    with pytest.raises(InvalidError, match="malformed gzip body"):
        decode(data, coding="gzip")


@pytest.mark.parametrize(
    ("content_type", "coding"),
    [(None, "br"), (None, "gzip, gzip, gzip, gzip"), ("text/plain; charset=klingon", None)],
)
def test_what_is_not_supported(content_type, coding):
    with pytest.raises(WeirError) as caught:
        decode(b"x", content_type, coding)
    assert caught.value.code is Code.UNSUPPORTED_MEDIA


def test_malformed_text():
    with pytest.raises(InvalidError, match="byte 2 is not utf-8"):
        decode(b"a\xff", "text/plain")


@pytest.mark.parametrize("charset", ["rot13", "hex", "idna", "undefined"])
def test_what_python_calls_a_charset_and_is_none(charset):
    with pytest.raises(WeirError):
        decode(b"a\xff", f"text/plain; charset={charset}")
