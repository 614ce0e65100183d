"""Keeps what comes out of a value from standing in a message.

A value may be a password. Once a template has put it into a field, everything that is said about that field might quote
it: `port is a whole number, not 'hunter2'`. Statuses are stored, logged and sent, so nothing there may.

Two rules, for neither is enough alone. What is said of a *place* that a value has filled is said without quoting at all:
a message may show a part of a value, or hint at it ("did you mean …"), and a part cannot be searched for. Everything else
that is said about the spec (a node that cannot be loaded, say) is searched for the *text* of the values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from engine.errors import Diagnostic, DiagnosticsError, ErrorValue

HIDDEN: Final = "***"
"""Stands where a secret was."""

LONG: Final = 4
"""Characters from which a text is hidden wherever it stands. A shorter one is hidden only as a word of its own: to
hide every `1` would make messages unreadable, and would tell more than it hides."""

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Secrets:
    """What values have put into a spec: the `paths` in its fields that they have filled, and their `data`."""

    paths: frozenset[Path] = frozenset()
    data: tuple[Any, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.data)

    def fills(self, path: Path) -> bool:
        """Whether a value has filled what stands at `path`, a part of it, or what it is a part of."""
        return any(path[: len(each)] == each or each[: len(path)] == path for each in self.paths)

    def below(self, prefix: Path) -> Secrets:
        """What is left for a part of the spec, whose paths begin at `prefix`."""
        size = len(prefix)
        inner = {path[size:] for path in self.paths if path[:size] == prefix}
        return replace(self, paths=frozenset(inner))

    def hide(self, text: str) -> str:
        """`text` with :data:`HIDDEN` in the place of every text and number of the values."""
        for secret in sorted(self._texts(), key=len, reverse=True):
            if len(secret) >= LONG:
                text = text.replace(secret, HIDDEN)
            else:
                text = re.sub(rf"(?<!\w){re.escape(secret)}(?!\w)", HIDDEN, text)
        return text

    def hide_in(self, error: ErrorValue) -> ErrorValue:
        """The same error, with nothing of the values in its words or those of its causes."""
        if not self:
            return error
        return replace(
            error,
            message=self.hide(error.message),
            causes=tuple(self.hide_in(cause) for cause in error.causes),
            hint=self.hide(error.hint) if error.hint is not None else None,
        )

    def cover(self, found: Diagnostic) -> Diagnostic:
        """The same finding, with nothing of the values in it; where it was about one, without its hint.

        A key that a value has filled in stands in the path, too.
        """
        if not self:
            return found
        message = self.hide(found.message)
        path = tuple(self.hide(part) if isinstance(part, str) else part for part in found.path)
        return replace(found, message=message, hint=found.hint if message == found.message else None, path=path)

    def cover_all(self, error: DiagnosticsError) -> DiagnosticsError:
        """The same findings of somebody who may have quoted parts: where a value has filled it in, only the place is told."""
        return DiagnosticsError([self._place_only(found) for found in error.diagnostics]) if self else error

    def _place_only(self, found: Diagnostic) -> Diagnostic:
        if not found.path or not self.fills(found.path):
            return self.cover(found)
        field = ".".join(str(part) for part in found.path)
        message = f"`{field}` is wrong; how is not shown, for a value has filled it in"
        return self.cover(replace(found, message=message, hint=None))

    def _texts(self) -> set[str]:
        """Every way in which a message may spell a text or number of the values; words such as `true` are none."""
        found: set[str] = set()
        for leaf in _leaves(self.data):
            found |= {leaf, repr(leaf)[1:-1], json.dumps(leaf)[1:-1], json.dumps(leaf, ensure_ascii=False)[1:-1]}
            found |= {line for line in leaf.splitlines() if len(line) >= LONG}
        return {text for text in found if text.strip()}


NO_SECRETS: Final = Secrets()


def _leaves(data: Any) -> Iterator[str]:
    if isinstance(data, str):
        yield data
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from _leaves(value)
    elif isinstance(data, (list, tuple)):
        for value in data:
            yield from _leaves(value)
    elif isinstance(data, (int, float)) and not isinstance(data, bool):
        yield str(data)
