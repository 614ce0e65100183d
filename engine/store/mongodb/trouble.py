"""What the driver and the server say, in words that help."""

from __future__ import annotations

import os
import re
from typing import Final

from pymongo.errors import (
    ConfigurationError,
    ConnectionFailure,
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

from engine.errors import InvalidError, UnavailableError, WeirError

OLDEST: Final = (17, "6.0")
"""The oldest server that a store works with: the version of its protocol, and the name of that."""

_TRANSIENT: Final = "TransientTransactionError"
_UNKNOWN: Final = "UnknownTransactionCommitResult"
_RESUMABLE: Final = "ResumableChangeStreamError"

POSITION_LOST: Final = 136
"""CappedPositionLost: the oplog has moved on under a stream that has not been read for long."""

_STREAM_ENDED: Final = frozenset({43, POSITION_LOST, 237, 11601})
"""CursorNotFound, CappedPositionLost, CursorKilled, Interrupted: the stream is gone, what it would have told may not be.

Whether it is, the server says when the stream is opened again after its token.
"""

HISTORY_LOST: Final = 286
"""ChangeStreamHistoryLost: the oplog does not reach back to where the stream was."""

_NO_REPLICA_SET: Final = (
    "is on a standalone server; only a replica set has transactions and tells of changes",
    "one member is enough: start mongod with `--replSet rs0` and run `rs.initiate()` in mongosh, once",
)
_NOT_THE_PRIMARY: Final = (
    "is on a member that takes no writes: it is not the primary, or not any more",
    "name all members of the replica set in the URL and leave out `directConnection`; `rs.status()` shows the primary",
)
_NO_RIGHTS: Final = (
    "may not be used by this user",
    "give the user the role `readWrite` on the database; a URL without user and password is nobody",
)
_WRONG_LOGIN: Final = (
    "refuses the user or the password",
    "check both, and `authSource`: the database in which the user was made, often `admin`",
)
_NO_MAJORITY: Final = (
    "does not reach the majority of its replica set",
    "`rs.status()` shows which members are away",
)
_FULL: Final = ("has no room: a disk of the server is full", "free some space; nothing of this write was stored")
_TOO_LONG: Final = (
    "was given more at once than the server takes in one transaction",
    "apply fewer specs at a time, or raise `transactionLifetimeLimitSeconds` or the cache of the server",
)

_TOO_SLOW: Final = (
    "was read for longer than its server keeps one moment",
    "try again; `minSnapshotHistoryWindowInSeconds` (a parameter of the server, 300 by itself) makes it longer",
)

_WORDS: Final[dict[int, tuple[str, str]]] = {
    13: _NO_RIGHTS,
    18: _WRONG_LOGIN,
    20: _NO_REPLICA_SET,  # IllegalOperation: "Transaction numbers are only allowed on a replica set member or mongos"
    8000: _WRONG_LOGIN,  # AtlasError
    40573: _NO_REPLICA_SET,  # "The $changeStream stage is only supported on replica sets"
    91: _NOT_THE_PRIMARY,  # ShutdownInProgress
    189: _NOT_THE_PRIMARY,  # PrimarySteppedDown
    10107: _NOT_THE_PRIMARY,  # NotWritablePrimary
    11602: _NOT_THE_PRIMARY,  # InterruptedDueToReplStateChange
    13435: _NOT_THE_PRIMARY,  # NotPrimaryNoSecondaryOk
    13436: _NOT_THE_PRIMARY,  # NotPrimaryOrSecondary
    64: _NO_MAJORITY,  # WriteConcernFailed
    79: _NO_MAJORITY,  # UnknownReplWriteConcern
    100: _NO_MAJORITY,  # UnsatisfiableWriteConcern
    14031: _FULL,  # OutOfDiskSpace
    257: _TOO_LONG,  # TransactionTooLarge
    290: _TOO_LONG,  # TransactionExceededLifetimeLimitSeconds
    388: _TOO_LONG,  # TransactionTooLargeForCache
    239: _TOO_SLOW,  # SnapshotTooOld
    246: _TOO_SLOW,  # SnapshotUnavailable
    371: ("takes no writes at the moment: an operator has blocked them", "`setUserWriteBlockMode` allows them again"),
    POSITION_LOST: (
        "has ended the stream of changes: its oplog has moved on meanwhile",
        "the stream is opened again; a larger oplog (`replSetResizeOplog`) reaches further back",
    ),
    HISTORY_LOST: (
        "has forgotten changes that were not read yet: its oplog is too short",
        "it lists everything again; a larger oplog (`replSetResizeOplog`) reaches further back",
    ),
}
"""By the server's code: what is wrong with the store, and what to do."""


def is_transient(error: PyMongoError) -> bool:
    """Whether the transaction has not happened and may be tried again: another writer was faster, or a primary has gone.

    Not so when no server was found: that has been waited for already.
    """
    return error.has_error_label(_TRANSIENT) and not isinstance(error, ServerSelectionTimeoutError)


def is_unknown(error: PyMongoError) -> bool:
    """Whether a commit may have happened or not."""
    return error.has_error_label(_UNKNOWN)


def loses_nothing(error: Exception) -> bool:
    """Whether a change stream that ended so can go on where it was."""
    if isinstance(error, ConnectionFailure):
        return True
    if not isinstance(error, OperationFailure):
        return False
    return error.code in _STREAM_ENDED or error.has_error_label(_RESUMABLE)


def explain(error: PyMongoError, store: str) -> WeirError:
    """The error of ours for one of the driver's. `store` is the URL as it may be shown."""
    if isinstance(error, DocumentTooLarge):
        return InvalidError(
            "a document is too large for MongoDB, which takes 16 MiB",
            hint="apply fewer specs on trial at a time, or keep large data in a file and its path in the spec",
        )
    said, hint, tell = _words(error)
    return UnavailableError(f"the store {store} {said}", hint=hint, causes=(error,) if tell else ())


def standalone(store: str) -> UnavailableError:
    """The error for a server that is no member of a replica set."""
    said, hint = _NO_REPLICA_SET
    return UnavailableError(f"the store {store} {said}", hint=hint)


def read_only(store: str) -> UnavailableError:
    """The error for a member that is not the primary, named alone."""
    said, hint = _NOT_THE_PRIMARY
    return UnavailableError(f"the store {store} {said}", hint=hint)


def too_old(store: str) -> UnavailableError:
    """The error for a server of long ago."""
    return UnavailableError(
        f"the store {store} is on a server that is too old: this version of Weir needs MongoDB {OLDEST[1]}",
        hint="update the server, and its feature compatibility version",
    )


def unknown_outcome(error: PyMongoError, store: str) -> UnavailableError:
    """The error for a commit that nobody can tell about."""
    return UnavailableError(
        f"the store {store} was lost while it wrote; whether the change was written is not known",
        hint="look whether it is there; if not, apply it again",
        causes=(error,),
    )


def _words(error: PyMongoError) -> tuple[str, str, bool]:
    """What is wrong, what to do, and whether the driver's own words say more."""
    if isinstance(error, ServerSelectionTimeoutError):
        return _unreachable(str(error))
    code = error.code if isinstance(error, OperationFailure) else None
    if code in _WORDS:
        return *_WORDS[code], False
    if isinstance(error, OperationFailure) and error.has_error_label(_TRANSIENT):
        return "is being written by others without a pause", "try again; nothing of this write was stored", True
    match error:
        case NotPrimaryError():
            return *_NOT_THE_PRIMARY, False
        case WTimeoutError():
            return *_NO_MAJORITY, False
        case NetworkTimeout() | ExecutionTimeout():
            return "did not answer in time", "see whether the server is overloaded, and whether the network works", True
        case ConnectionFailure():
            return "has closed the connection", "see whether the server runs; the next attempt connects anew", True
        case InvalidOperation():
            return "is not open", "open it first", True
        case DuplicateKeyError():
            return "holds two documents of one name or revision", "see who else writes to the database", True
        case ConfigurationError() if "wire version" in str(error):
            return "is on a server of the wrong age", f"this version of Weir needs MongoDB {OLDEST[1]} or newer", True
        case ConfigurationError():
            return "cannot be used with this URL", "check the host and the options", True
        case _:
            return "failed", "look into the log of the server", True


def _unreachable(message: str) -> tuple[str, str, bool]:
    """Why no server was found. The driver writes down all that it knows; the reason is what comes first."""
    reason = re.split(r" \(configured timeouts|, Timeout: ", message)[0].strip()
    reason = re.sub(r"\[Errno (\d+)\] Connect call failed \([^)]*\)", lambda found: os.strerror(int(found[1])), reason)
    if "RSGhost" in message:
        return "is on a server that is no member of its replica set yet", "run `rs.initiate()` in mongosh, once", False
    if "No primary" in reason or "No replica set members match" in reason:
        return "has no primary at the moment", "`rs.status()` shows its members; an election takes some seconds", False
    if "No replica set members" in reason or "replica set named" in message:
        return "is not on the replica set that the URL names", "`rs.status()` shows its name; it may be left out", False
    return (
        f"cannot be reached: {reason}",
        "see whether the server runs, whether host and port are right, and whether the names that `rs.conf()` lists are known here",
        False,
    )
