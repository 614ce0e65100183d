"""The key that a store makes for itself, in a file beside it.

Several processes may be the first to need it. The file appears whole, by a link to one that was written under another
name; whose link comes second reads what the first has made.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path
from typing import Final

from engine.errors import UnavailableError
from engine.store.vault.key import SIZE, Key
from engine.store.vault.source import read_key_file

_NO_LINKS: Final = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EOPNOTSUPP)
"""What a file system says that has no hard links."""


def make_key_file(path: Path) -> Key:
    """The key in the file, which is made if it is not there: readable by its owner alone, and on the disk.

    Raises UnavailableError if it cannot be made, InvalidError if what is there is no key.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        _write(beside, Key(secrets.token_bytes(SIZE)))
        try:
            _publish(beside, path)
        finally:
            beside.unlink(missing_ok=True)
        _sync(path.parent)
    except OSError as error:
        raise UnavailableError(
            f"the key file {path} cannot be made: {(error.strerror or str(error)).lower()}",
            hint="let this user write to the directory, or name a key in `values.key` of the config",
        ) from error
    return read_key_file(path)


def _publish(written: Path, path: Path) -> None:
    """Give the file its name, unless another process has been faster."""
    try:
        os.link(written, path)
    except FileExistsError:
        return
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Nobody reads it before something is sealed with it, and whoever makes it holds the lock of the store.
        with contextlib.suppress(FileExistsError):
            _write(path, read_key_file(written))


def _write(path: Path, key: Key) -> None:
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    try:
        os.write(descriptor, f"{key.text()}\n".encode("ascii"))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync(directory: Path) -> None:
    """Have the name on the disk as well: a value must not outlive its key when the power goes."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # not every file system can
            raise
    finally:
        os.close(descriptor)
