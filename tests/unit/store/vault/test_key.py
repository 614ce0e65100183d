from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidError
from engine.store.vault.key import Key, read_key

SECRET = bytes(range(32))


@given(st.binary(min_size=32, max_size=32))
def test_every_spelling_reads_as_the_same_key(secret):
    plain = base64.b64encode(secret).decode()
    spellings = [
        secret.hex(),
        secret.hex().upper(),
        plain,
        plain.rstrip("="),
        f"\n {plain} \n",
        base64.urlsafe_b64encode(secret).decode(),
    ]
    for text in spellings:
        assert read_key(text, "here") == Key(secret)
    assert read_key(Key(secret).text(), "here") == Key(secret)


@pytest.mark.parametrize(
    "text",
    [
        SECRET.hex()[:-1],
        SECRET.hex() + "0",
        SECRET.hex()[:-1] + "g",
        base64.b64encode(SECRET[:31]).decode(),
        base64.b64encode(SECRET + b"x").decode(),
        "correct horse battery staple",
        "!" * 44,
        "ключ",
    ],
)
def test_what_is_no_key_is_refused_and_not_quoted(text):
    with pytest.raises(InvalidError, match="what stands in /k is no key") as caught:
        read_key(text, "/k")
    assert text not in str(caught.value)
    assert "openssl rand -base64 32" in (caught.value.hint or "")


def test_an_empty_key_is_refused():
    with pytest.raises(InvalidError, match="the key in /k is empty"):
        read_key(" \n", "/k")


def test_the_id_names_a_key_and_tells_nothing_of_it():
    key = Key(SECRET)
    assert key.id == Key(SECRET).id
    assert key.id != Key(SECRET[::-1]).id
    assert len(key.id) == 16
    assert SECRET.hex()[:8] not in key.id
    assert repr(key) == f"Key({key.id})"
    assert key != Key(SECRET[::-1])
    assert len({key, Key(SECRET)}) == 1
