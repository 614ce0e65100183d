"""`multipart/form-data`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidError
from nodes.network.media import parse_media_type
from nodes.network.multipart import MAX_PARTS, parse_multipart

MEDIA = parse_media_type('multipart/form-data; boundary="b 1"')


def part(disposition, content, *lines):
    head = "\r\n".join([f"Content-Disposition: {disposition}", *lines]).encode()
    return b"--b 1\r\n" + head + b"\r\n\r\n" + content + b"\r\n"


def parse(*parts, end=b"--b 1--\r\n"):
    return parse_multipart(b"".join(parts) + end, MEDIA)


def test_values_and_files():
    data = bytes(range(256))
    found = parse(
        b"a preamble\r\n",
        part('form-data; name="a"', b"1"),
        part('form-data; name="a"', "ä".encode()),
        part("form-data; name=b", b"\xe4", "Content-Type: text/plain; charset=latin-1"),
        part('form-data; name="f"; filename="x \\"y\\" %22z%22.png"', data, "Content-Type: image/png"),
        part('form-data; name="f"; filename=""', b""),
    )
    assert found["values"] == {"a": ["1", "ä"], "b": ["ä"]}
    first, second = found["files"]["f"]
    assert (first["filename"], first["size"], first["data"]) == ('x "y" "z".png', 256, data)
    assert first["header"]["Content-Type"] == ["image/png"]
    assert (second["filename"], second["data"]) == ("", b"")


@given(st.lists(st.binary(max_size=50)))
def test_file_data_come_back_as_they_were(contents):
    contents = [content for content in contents if b"\r\n--b 1" not in content]
    found = parse(*(part("form-data; name=f; filename=x", content) for content in contents))
    assert [file["data"] for file in found["files"].get("f", [])] == contents


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "boundary does not occur"),
        (b"--b 1\r\nContent-Disposition: form-data; name=a\r\n\r\n1", "ends within a part"),
        (b"--b 1 rest\r\n\r\n\r\n--b 1--", "behind a boundary"),
        (b"--b 1\r\nContent-Disposition: form-data; name=a\r\n--b 1--", "no end of its header"),
        (b"--b 1\r\nnonsense\r\n\r\n1\r\n--b 1--", "has no colon"),
        (part("attachment", b"1") + b"--b 1--", "has no name"),
        (part("form-data", b"1") + b"--b 1--", "has no name"),
        (b"--b 1\r\nX: 1\r\n\r\n1\r\n--b 1--", "has no name"),
        (part("form-data; name=a", b"\xff") + b"--b 1--", "not utf-8"),
        (part("form-data; name=a", b"") * (MAX_PARTS + 1) + b"--b 1--", "more than"),
    ],
)
def test_what_is_malformed(data, reason):
    with pytest.raises(InvalidError, match=reason):
        parse_multipart(data, MEDIA)


@pytest.mark.parametrize("content_type", ["multipart/form-data", "multipart/form-data; boundary=" + "x" * 71])
def test_a_content_type_without_a_usable_boundary(content_type):
    with pytest.raises(InvalidError, match="no usable boundary"):
        parse_multipart(b"", parse_media_type(content_type))


@given(st.binary(max_size=200))
def test_anything_else_is_an_error_and_no_crash(data):
    for body in (data, b"--b 1\r\n" + data, data + b"\r\n--b 1--"):
        try:
            parse_multipart(body, MEDIA)
        except InvalidError:
            continue
