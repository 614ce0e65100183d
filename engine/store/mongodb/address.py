"""From the URL of a MongoDB store to a client of it.

The URL is MongoDB's own connection string, with all its options; the database is its path. What matters to the store is
set by the store: it reads from the primary and writes to the majority, whatever the options say.
"""

from __future__ import annotations

import re
import warnings
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeAlias
from urllib.parse import unquote, unquote_plus

from pymongo import AsyncMongoClient
from pymongo.errors import ConfigurationError

from engine.errors import InvalidError
from engine.spec.secrets import HIDDEN
from engine.store.shown import shown

DEFAULT_DATABASE: Final = "weir"
"""The database of a URL without a path."""

DEFAULTS: Final[dict[str, Any]] = {
    "appName": "weir",  # what the server's log and `db.currentOp()` call the connection
    "serverSelectionTimeoutMS": 8_000,  # a little less than the command line waits, so that its message says why
    "connectTimeoutMS": 5_000,
    "socketTimeoutMS": 20_000,  # a network that swallows packets holds nobody for longer
}
"""Options for what the URL leaves open."""

Client: TypeAlias = AsyncMongoClient[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a store is. `shown` is the URL without secrets, for messages."""

    url: str = field(repr=False)
    database: str
    shown: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read a URL, without touching the network. Raises InvalidError, never with a password in it."""
        found = _PARTS.fullmatch(url)
        path = unquote(found["path"] or "") if found is not None else ""
        if "." in path:
            raise InvalidError(
                f"{shown(url)} has a dot in the name of its database",
                hint="name the database alone; the names of the collections are the store's own",
            )
        scheme, separator, rest = url.partition("://")
        address = cls(f"{scheme.lower()}{separator}{rest}", path or DEFAULT_DATABASE, shown(url))
        address.client()
        return address

    def client(self) -> Client:
        """A client that has not connected yet; it belongs to the event loop that first uses it."""
        options = self.url.partition("?")[2]
        given = {name.lower() for name in re.findall(r"(?:^|[&;])([^=&;]+)=", options)}
        defaults = {name: value for name, value in DEFAULTS.items() if name.lower() not in given}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                warnings.simplefilter("error", UserWarning)  # of options that the driver does not know it only warns
                return AsyncMongoClient(self.url, connect=False, **defaults)
        except (ConfigurationError, ValueError, UserWarning) as error:
            raise InvalidError(f"{self.shown} is no URL of a MongoDB store: {self._words(error)}") from None

    def _words(self, error: Exception) -> str:
        """What the driver says, as far as it may be shown: it likes to quote what it has read."""
        found = _PARTS.fullmatch(self.url)
        if found is None or self.shown.endswith(f"//{HIDDEN}"):
            return "write user and password percent-encoded (%2F for /, %40 for @, %3A for :)"
        words = str(error).removesuffix(" Refer to docstring.")
        password = (found["login"] or "").partition(":")[2]
        for secret in filter(None, (password, unquote_plus(password))):
            words = words.replace(secret, HIDDEN)
        return words


_PARTS: Final = re.compile(
    r"mongodb(\+srv)?://((?P<login>[^/?#]*)@)?[^/?#@]*(/(?P<path>[^?]*))?(\?.*)?", re.IGNORECASE | re.DOTALL
)
