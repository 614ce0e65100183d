from __future__ import annotations

import pytest

from engine.errors import InvalidError
from engine.store.mongodb.address import DEFAULTS, Address


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("mongodb://host", "weir"),
        ("mongodb://host/", "weir"),
        ("mongodb://host/?replicaSet=rs0", "weir"),
        ("mongodb://host?replicaSet=rs0", "weir"),
        ("mongodb://host:27018,other/flows", "flows"),
        ("MongoDB://host/flows", "flows"),
        ("mongodb://ada:s%2Fcret@host/my%2Dflows", "my-flows"),
        ("mongodb+srv://cluster.example.net/flows", "flows"),
        ("mongodb://%2Ftmp%2Fmongodb-27017.sock/flows", "flows"),
    ],
)
def test_the_database_is_the_path(url, database):
    assert Address.parse(url).database == database


def test_the_options_of_the_url_go_before_ours():
    client = Address.parse("mongodb://host/?serverselectiontimeoutms=123&appName=mine").client()
    assert client.options.server_selection_timeout == 0.123
    assert client.options.pool_options.appname == "mine"
    assert client.options.pool_options.socket_timeout == DEFAULTS["socketTimeoutMS"] / 1000


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mongodb://", "Must provide at least one hostname"),
        ("mongodb://host:99999", "Port must be an integer between 0 and 65535"),
        ("mongodb://host/a.b", "a dot in the name of its database"),
        ("mongodb://host/a b", "Bad database name"),
        ("mongodb://host/?foo=1", "Unknown option: foo"),
        ("mongodb://host/?serverSelectionTimeoutMS=soon", "must be an integer or float"),
        ("mongodb://host/?tls=maybe", "'true' or 'false'"),
        ("mongodb://host,other/?directConnection=true", "multiple hosts with directConnection"),
        ("mongodb://ada:top@secret@host/weir", "escaped"),
        ("mongodb://ada:top/secret@host/weir", "percent-encoded"),
        ("mongodb://ada:top?secret@host/weir", "percent-encoded"),
        ("mongodb://ada:top:secret@host/weir", "escaped"),
        ("mongodb://ada:top%secret@host/weir", "escaped"),
        ("mongodb+srv://ada:secret@one,two/weir", "only one, hostname"),
    ],
)
def test_what_is_no_url(url, says):
    with pytest.raises(InvalidError, match=says) as caught:
        Address.parse(url)
    assert "secret" not in str(caught.value)
    assert "Refer to docstring" not in str(caught.value)


def test_the_secret_is_not_in_the_representation():
    assert "secret" not in repr(Address.parse("mongodb://ada:secret@host/weir?authSource=admin"))
