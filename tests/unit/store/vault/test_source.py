from __future__ import annotations

import pytest

from engine.errors import InvalidError
from engine.store.vault.key import Key
from engine.store.vault.source import Source, read_key_file

KEY = Key(bytes(range(32)))


@pytest.mark.parametrize("text", ["file:/etc/weir/key", "file:key", "env:WEIR_KEY", "credential:weir-key"])
def test_a_source_is_written_as_it_is_read(text):
    assert str(Source.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not where a key is kept"),
        (KEY.text(), "is not where a key is kept"),
        ("/etc/weir/key", "is not where a key is kept"),
        ("FILE:/etc/weir/key", "is not where a key is kept"),
        ("file:", "names no file"),
        ("file:a\0b", "names no file"),
        ("env:", "names no variable"),
        ("env:MY-KEY", "names no variable"),
        ("credential:", "names no credential"),
        ("credential:../key", "names no credential"),
        ("credential:..", "names no credential"),
    ],
)
def test_what_is_no_source_is_refused_and_not_quoted(text, reason):
    with pytest.raises(InvalidError, match=reason) as caught:
        Source.parse(text)
    assert "file:/path" in (caught.value.hint or "")
    assert not text or text not in f"{caught.value} {caught.value.hint}" or text in ("file:", "env:", "credential:")


def test_a_key_in_a_file(tmp_path):
    (tmp_path / "k").write_text(f"{KEY.text()}\n")
    assert Source.parse(f"file:{tmp_path / 'k'}").read({}) == KEY
    with pytest.raises(InvalidError, match=r"the key file .*/none cannot be read: no such file"):
        Source.parse(f"file:{tmp_path / 'none'}").read({})
    with pytest.raises(InvalidError, match="is a directory"):
        read_key_file(tmp_path)


def test_a_key_in_a_variable():
    assert Source.parse("env:K").read({"K": KEY.text()}) == KEY
    with pytest.raises(InvalidError, match="the variable K, which should hold a key, is not set"):
        Source.parse("env:K").read({})
    with pytest.raises(InvalidError, match="what stands in the variable K is no key"):
        Source.parse("env:K").read({"K": "x"})


def test_a_credential_of_systemd(tmp_path):
    (tmp_path / "weir").write_text(KEY.text())
    source = Source.parse("credential:weir")
    assert source.read({"CREDENTIALS_DIRECTORY": str(tmp_path)}) == KEY
    with pytest.raises(InvalidError, match="CREDENTIALS_DIRECTORY is not set") as caught:
        source.read({})
    assert "LoadCredential=weir:" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("mode", "said"), [(0o600, None), (0o640, None), (0o604, "may read the key"), (0o602, "may write the key")]
)
def test_a_key_that_everybody_may_read_is_told_of(tmp_path, mode, said):
    path = tmp_path / "k"
    path.write_text("")
    path.chmod(mode)
    found = Source.parse(f"file:{path}").exposed()
    assert found is None if said is None else said in (found or "")
    assert Source.parse("env:K").exposed() is None
    assert Source.parse(f"file:{tmp_path / 'none'}").exposed() is None
