from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import InvalidError
from engine.store.vault.key import Key
from engine.store.vault.keyring import STEP, Keyring, is_sealed, key_id

ONE, TWO = Key(b"1" * 32), Key(b"2" * 32)
RING = Keyring(ONE, (ONE,))
OWNER = ("value", "default", "id", "name")

texts = st.text(alphabet=st.characters(exclude_categories=("Cs",)))
owners = st.lists(st.none() | texts, min_size=1, max_size=4)


@given(texts, owners)
def test_what_was_sealed_opens_for_its_owner(text, owner):
    sealed = RING.seal(text, owner)
    opened = RING.open(sealed, owner)
    assert opened.startswith(text)
    assert set(opened[len(text) :]) <= {" "}
    assert is_sealed(sealed)
    assert key_id(sealed) == ONE.id
    assert RING.is_current(sealed)


@given(texts, owners, owners)
def test_it_opens_for_nobody_else(text, owner, other):
    sealed = RING.seal(text, owner)
    if owner != other:
        with pytest.raises(InvalidError, match="put in the place of another"):
            RING.open(sealed, other)


@given(texts, st.data())
def test_a_change_of_any_bit_is_noticed(text, data):
    head, _, body = RING.seal(text, OWNER).rpartition(":")
    raw = bytearray(base64.b64decode(body))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidError, match="it is not as it was sealed"):
        RING.open(f"{head}:{base64.b64encode(raw).decode()}", OWNER)


@pytest.mark.parametrize("body", ["", "?", "AAAA", "A" * 20])
def test_what_is_no_seal_is_damaged(body):
    sealed = RING.seal("text", OWNER)
    with pytest.raises(InvalidError, match="it is damaged"):
        RING.open(f"{sealed.rpartition(':')[0]}:{body}", OWNER)


def test_the_same_text_is_never_sealed_the_same_way():
    assert len({RING.seal("text", OWNER) for _ in range(50)}) == 50


def test_the_length_tells_little():
    lengths = {len(RING.seal("x" * size, OWNER)) for size in range(1, STEP + 1)}
    assert len(lengths) == 1


def test_the_first_key_seals_and_all_open():
    old = Keyring(ONE, (ONE,)).seal("text", OWNER)
    both = Keyring(TWO, (TWO, ONE))
    assert both.open(old, OWNER).rstrip() == "text"
    assert not both.is_current(old)
    assert key_id(both.seal("text", OWNER)) == TWO.id
    assert not Keyring(None, (ONE,)).is_current(old)


def test_a_key_that_is_missing_is_named():
    sealed = RING.seal("text", OWNER)
    with pytest.raises(
        InvalidError, match=rf"with the key {ONE.id}, which is not at hand \(/k cannot be read\)"
    ) as caught:
        Keyring(TWO, (TWO,), ("/k cannot be read",)).open(sealed, OWNER)
    assert "values.key" in (caught.value.hint or "")


def test_plain_text_is_not_sealed():
    assert not is_sealed('{"data":1}')
    assert key_id('{"data":1}') is None
