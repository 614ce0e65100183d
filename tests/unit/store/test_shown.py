from __future__ import annotations

import pytest

from engine.store.shown import shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("memory://", "memory://"),
        ("sqlite:///a@b.db", "sqlite:///a@b.db"),
        ("mongodb://host", "mongodb://host"),
        ("mongodb://host:1,other:2/weir", "mongodb://host:1,other:2/weir"),
        ("mongodb://ada:secret@host/weir", "mongodb://ada:***@host/weir"),
        ("mongodb+srv://ada:secret@host/weir", "mongodb+srv://ada:***@host/weir"),
        ("mongodb://ada@host/weir", "mongodb://ada@host/weir"),
        ("mongodb://ada:se@cret@host/weir", "mongodb://ada:***@host/weir"),
        ("mongodb://ada:se/cret@host/weir", "mongodb://***"),
        ("mongodb://ada:se?cret@host/weir", "mongodb://***"),
        ("mongodb://ada:se#cret@host/weir", "mongodb://***"),
        ("mongodb://host/weir?authMechanismProperties=AWS_SESSION_TOKEN:secret", "mongodb://host/weir"),
        ("mongodb://host?tlsCertificateKeyFilePassword=secret", "mongodb://host"),
        ("postgres://ada:secret@host/weir", "postgres://ada:***@host/weir"),
        ("mongodb:ada:secret@host", "***"),
        ("weir.db", "weir.db"),
    ],
)
def test_shown(url, expected):
    assert shown(url) == expected
