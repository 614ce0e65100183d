"""Where a key is kept: `file:/path`, `env:NAME` or `credential:NAME`."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Self, TypeAlias, get_args

from engine.errors import InvalidError
from engine.store.vault.key import Key, read_key

Scheme: TypeAlias = Literal["file", "env", "credential"]

FORMS: Final = "file:/path/of/a/file, env:NAME of a variable, or credential:NAME (of systemd)"

_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_CREDENTIAL: Final = re.compile(r"[^/\0]+")
_DIRECTORY: Final = "CREDENTIALS_DIRECTORY"
_LONGEST: Final = 4096
"""Bytes of a key file that are read: a whole key has far fewer."""


@dataclass(frozen=True, slots=True)
class Source:
    """One place that holds one key. `str` of it is how it is written in a config."""

    scheme: Scheme
    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read how it is written. Raises InvalidError, which does not quote it: somebody may have written a key there."""
        scheme, colon, name = text.partition(":")
        if not colon or scheme not in get_args(Scheme):
            raise InvalidError("is not where a key is kept", hint=f"write {FORMS}; never the key itself")
        fits = {"file": bool(name) and "\0" not in name, "env": _VARIABLE.fullmatch(name)}
        if not fits.get(scheme, _CREDENTIAL.fullmatch(name) and name not in (".", "..")):
            raise InvalidError(f"names no {_WHAT[scheme]} after `{scheme}:`", hint=f"write {FORMS}")
        return cls(scheme, name)  # type: ignore[arg-type]  # it was found among them

    def read(self, environ: Mapping[str, str]) -> Key:
        """The key. Raises InvalidError if it is not there, may not be read, or is none; nothing of it is quoted."""
        if self.scheme == "env":
            text = environ.get(self.name)
            if text is None:
                raise InvalidError(f"the variable {self.name}, which should hold a key, is not set")
            return read_key(text, f"the variable {self.name}")
        return read_key_file(self.path(environ))

    def path(self, environ: Mapping[str, str]) -> Path:
        """The file of a `file` or `credential`. Raises InvalidError where systemd has given none."""
        if self.scheme == "file":
            return Path(self.name)
        directory = environ.get(_DIRECTORY)
        if not directory:
            raise InvalidError(
                f"the credential {self.name} is not there: {_DIRECTORY} is not set",
                hint=f"give it to the unit: LoadCredential={self.name}:/path of the key",
            )
        return Path(directory, self.name)

    def exposed(self) -> str | None:
        """A sentence about a key file that everybody may read or write; None for any other source."""
        return exposure(Path(self.name)) if self.scheme == "file" else None

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"


def read_key_file(path: Path) -> Key:
    """The key in a file. Raises InvalidError."""
    try:
        with path.open("rb") as file:
            content = file.read(_LONGEST)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise InvalidError(
            f"the key file {path} cannot be read: {reason}", hint="put it there, or let this user read it"
        ) from error
    return read_key(content.decode("ascii", "replace"), str(path))


def exposure(path: Path) -> str | None:
    """A sentence about a file that everybody may read or write."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None  # whoever reads it will tell
    if not mode & (stat.S_IROTH | stat.S_IWOTH):
        return None
    verb = "read" if mode & stat.S_IROTH else "write"
    return f"everybody on this machine may {verb} the key file {path}: chmod 600 {path}"


_WHAT: Final = {"file": "file", "env": "variable", "credential": "credential"}
