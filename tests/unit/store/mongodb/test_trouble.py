from __future__ import annotations

import pytest
from pymongo.errors import (
    AutoReconnect,
    ConfigurationError,
    CursorNotFound,
    DocumentTooLarge,
    DuplicateKeyError,
    ExecutionTimeout,
    InvalidOperation,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    PyMongoError,
    ServerSelectionTimeoutError,
    WTimeoutError,
)

from engine.errors import InvalidError, UnavailableError
from engine.store.mongodb import trouble

STORE = "mongodb://host/weir"
TOPOLOGY = ", Timeout: 8.0s, Topology Description: <TopologyDescription id: 1, servers: []>"


def labelled(error: PyMongoError, label: str) -> PyMongoError:
    error._add_error_label(label)
    return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (OperationFailure("x", 13), "may not be used by this user"),
        (OperationFailure("x", 18), "refuses the user or the password"),
        (OperationFailure("x", 8000), "refuses the user or the password"),
        (OperationFailure("x", 20), "standalone"),
        (OperationFailure("x", 40573), "standalone"),
        (OperationFailure("x", 10107), "takes no writes"),
        (NotPrimaryError("x"), "takes no writes"),
        (OperationFailure("x", 239), "longer than its server keeps one moment"),
        (OperationFailure("x", 286), "oplog is too short"),
        (OperationFailure("x", 290), "more at once than the server takes"),
        (OperationFailure("x", 371), "an operator has blocked them"),
        (OperationFailure("x", 14031), "no room"),
        (OperationFailure("strange", 99999), "failed: strange"),
        (WTimeoutError("x", 64), "does not reach the majority"),
        (NetworkTimeout("x"), "did not answer in time"),
        (ExecutionTimeout("x", 50), "did not answer in time"),
        (AutoReconnect("x"), "has closed the connection"),
        (labelled(AutoReconnect("x"), "TransientTransactionError"), "has closed the connection"),
        (InvalidOperation("Cannot use AsyncMongoClient after close"), "is not open"),
        (DuplicateKeyError("x", 11000), "two documents of one name"),
        (labelled(OperationFailure("x", 112), "TransientTransactionError"), "written by others without a pause"),
        (ConfigurationError("Server reports wire version 5"), "wrong age"),
        (ConfigurationError("The DNS query name does not exist"), "cannot be used with this URL"),
        (
            ServerSelectionTimeoutError("h:1: [Errno 111] Connect call failed ('h', 1)" + TOPOLOGY),
            "h:1: Connection refu",
        ),
        (ServerSelectionTimeoutError("h:1: timed out (configured timeouts: x)" + TOPOLOGY), "reached: h:1: timed out$"),
        (
            ServerSelectionTimeoutError("No servers found yet" + TOPOLOGY + "RSGhost"),
            "no member of its replica set yet",
        ),
        (ServerSelectionTimeoutError("No primary available for writes" + TOPOLOGY), "no primary at the moment"),
        (ServerSelectionTimeoutError('No replica set members available for "x"' + TOPOLOGY), "that the URL names"),
    ],
)
def test_words(error, says):
    explained = trouble.explain(error, STORE)
    assert isinstance(explained, UnavailableError)
    assert explained.hint
    assert str(explained).startswith(f"the store {STORE} ")
    with pytest.raises(UnavailableError, match=says):
        raise explained


def test_what_is_too_large_is_the_callers():
    assert isinstance(trouble.explain(DocumentTooLarge("x"), STORE), InvalidError)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (AutoReconnect("x"), True),
        (ServerSelectionTimeoutError("x"), True),
        (CursorNotFound("x", 43), True),
        (OperationFailure("x", 136), True),
        (OperationFailure("x", 237), True),
        (labelled(OperationFailure("x", 10107), "ResumableChangeStreamError"), True),
        (OperationFailure("x", 286), False),
        (OperationFailure("x", 280), False),
        (OperationFailure("x", 13), False),
        (UnavailableError("x"), False),
        (KeyError("x"), False),
    ],
)
def test_after_which_errors_a_stream_goes_on(error, expected):
    assert trouble.loses_nothing(error) is expected


def test_a_server_that_was_not_found_has_been_waited_for():
    assert trouble.is_transient(labelled(AutoReconnect("x"), "TransientTransactionError"))
    assert not trouble.is_transient(labelled(ServerSelectionTimeoutError("x"), "TransientTransactionError"))
    assert not trouble.is_transient(AutoReconnect("x"))
