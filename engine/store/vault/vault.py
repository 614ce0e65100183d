"""Between the rows of a store and everything above them: values are sealed on their way in, and opened on their way out.

Above this, records and changes of values are as they were written. Below it, in files, collections, logs and backups, their
document and the places of it are one sealed text. Id, namespace, name and labels stay plain, since values are found by
them; the first three are bound to the seal, so that nobody can put a row in the place of another.

What cannot be opened is a problem of that one record, never an error of the listing: it has a `problem` instead of a document.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from engine.errors import Code, Diagnostic, DiagnosticsError, InvalidError
from engine.store.change import Change, LogEntry
from engine.store.plan import Plan
from engine.store.record import Record, label
from engine.store.vault.file import make_key_file
from engine.store.vault.key import HOW, Key
from engine.store.vault.keyring import Keyring, is_sealed, key_id
from engine.store.vault.rotation import Rotation
from engine.store.vault.source import Source, exposure, read_key_file

_NAME_ONE: Final = (
    f"{HOW}, and name where it is kept in `values.key` of the config, or in WEIR_VALUES_KEY: file:/path, "
    "env:NAME or credential:NAME"
)


class Vault:
    """The keys of one store. They are read when the first value needs them, and again when one is asked for that is not there.

    `keys` are sources (:class:`~engine.store.vault.source.Source`) as a config has them, newest first: the first seals, all
    open. `beside` is the file in which a store keeps a key of its own; it opens, and it seals where no key is named. It is
    made by the first value that is written. Safe to be used by several threads.
    """

    def __init__(
        self, keys: Sequence[str] = (), *, beside: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self._sources = [Source.parse(text) for text in keys]
        self._beside = beside
        self._environ = os.environ if environ is None else environ
        self._keyring: Keyring | None = None

    def load(self) -> None:
        """Read all keys that are named. Raises InvalidError for the first that is not there or is none."""
        for source in self._sources:
            source.read(self._environ)

    def exposed(self) -> list[str]:
        """A sentence for each key file that everybody on the machine may read."""
        files = [exposure(self._beside)] if self._beside is not None else []
        return [said for said in (*(source.exposed() for source in self._sources), *files) if said is not None]

    def check(self) -> None:
        """Raise InvalidError if a value could not be sealed."""
        ring = self._ring()
        if ring.sealing is None and (self._beside is None or self._sources or ring.missing):
            raise self._lack(ring)

    def has(self, key: str) -> bool:
        """Whether the key with this id is at hand."""
        return any(each.id == key for each in self._ring().keys)

    # --- in

    def closed(self, plan: Plan, *, may_make: Callable[[], bool]) -> Plan:
        """The plan as it is to be written: its values sealed.

        `may_make` tells whether a key may be made if there is none: whether nothing is sealed yet. Raises InvalidError
        without a key.
        """
        sealed = [record for record in plan.final.values() if record is not None and record.resource == "value"]
        told = [entry for entry in plan.log if entry.resource == "value" and entry.document is not None]
        if not sealed and not told:
            return plan
        self._sealing(may_make)
        final = {key: self.close(record) if record is not None else None for key, record in plan.final.items()}
        return replace(plan, final=final, log=[self.close_entry(entry) for entry in plan.log])

    def close(self, record: Record) -> Record:
        """A record as it is to be kept. A spec stays as it is."""
        if record.resource != "value":
            return record
        return replace(record, document=self._seal(record, record.document, record.origin), origin=None, meaning="")

    def close_entry(self, entry: LogEntry) -> LogEntry:
        """A change as it is to be kept. One of a spec stays as it is, and a deletion."""
        if entry.resource != "value" or entry.document is None:
            return entry
        return replace(entry, document=self._seal(entry, entry.document, entry.origin), origin=None)

    # --- out

    def open(self, record: Record) -> Record:
        """A record as it was written, with a `problem` if it cannot be opened. A spec stays as it is."""
        if record.resource != "value":
            return record
        if not is_sealed(record.document):
            return replace(record, stale=True)
        try:
            document, origin = self._open(record, record.document)
        except DiagnosticsError as error:
            return replace(record, problem=error.diagnostics[0], stale=True)
        return replace(record, document=document, origin=origin, stale=not self._ring().is_current(record.document))

    def open_entry(self, entry: LogEntry) -> LogEntry:
        """A change as it was made. Raises DiagnosticsError if it cannot be opened."""
        if entry.resource != "value" or entry.document is None or not is_sealed(entry.document):
            return entry
        document, origin = self._open(entry, entry.document)
        return replace(entry, document=document, origin=origin)

    def change(self, entry: LogEntry) -> Change:
        """What a watch shows of a change: with a `problem` if it cannot be opened."""
        try:
            return self.open_entry(entry).change()
        except DiagnosticsError as error:
            bare = replace(entry, document=None, origin=None).change()
            return replace(bare, problem=error.diagnostics[0])

    # --- rotation

    def renewed(self, records: Sequence[Record], *, may_make: Callable[[], bool]) -> tuple[list[Record], Rotation]:
        """Those of these records of values that are not kept as they would be now, sealed with the first key; and the count.

        `may_make` is that of :meth:`closed`. Raises InvalidError if there is no key to seal with.
        """
        found: list[Record] = []
        problems: list[Diagnostic] = []
        for record in records:
            if self._sealing(may_make).is_current(record.document):
                continue
            opened = self.open(record)
            if opened.problem is not None:
                problems.append(opened.problem)
            else:
                found.append(self.close(opened))
        current = len(records) - len(found) - len(problems)
        return found, Rotation(len(found), current, tuple(problems))

    def renewed_entry(self, entry: LogEntry) -> LogEntry | None:
        """A change as it would be kept now; None if it is. Raises DiagnosticsError if it cannot be opened."""
        if entry.document is None or self._sealing(lambda: False).is_current(entry.document):
            return None
        return self.close_entry(self.open_entry(entry))

    # --- keys

    def _ring(self) -> Keyring:
        return self._keyring if self._keyring is not None else self._read()

    def _read(self) -> Keyring:
        """The keys as they are now."""
        keys: list[Key] = []
        missing: list[str] = []
        sealing: Key | None = None
        for index, source in enumerate(self._sources):
            try:
                keys.append(source.read(self._environ))
            except InvalidError as error:
                missing.append(error.reason)
                continue
            if index == 0:
                sealing = keys[0]
        if self._beside is not None and self._beside.exists():
            try:
                keys.append(read_key_file(self._beside))
            except InvalidError as error:
                missing.append(error.reason)
        if not self._sources and keys:
            sealing = keys[0]
        self._keyring = Keyring(sealing, tuple(keys), tuple(missing))
        return self._keyring

    def _sealing(self, may_make: Callable[[], bool]) -> Keyring:
        """Keys of which one seals; it is made if there is none and may be made."""
        ring = self._ring()
        if ring.sealing is None:
            ring = self._read()  # another process may have made it meanwhile
        if ring.sealing is not None:
            return ring
        if self._beside is None or self._sources or ring.missing:
            raise self._lack(ring)
        if not may_make():
            raise InvalidError(
                f"the key file {self._beside} is not there, and values of this store are sealed with a key",
                hint="put it back, or name the key in `values.key` of the config; a new one would not open them",
            )
        make_key_file(self._beside)
        return self._read()

    def _lack(self, ring: Keyring) -> InvalidError:
        if ring.missing:
            return InvalidError(f"a value cannot be sealed: {ring.missing[0]}", hint=_NAME_ONE)
        return InvalidError("a value cannot be written without a key: this store keeps values sealed", hint=_NAME_ONE)

    # --- one text

    def _seal(self, kept: Record | LogEntry, document: str, origin: str | None) -> str:
        # JSON as a store writes it has no line feed, so one parts the two.
        return self._ring().seal(f"{document}\n{origin or ''}", _owner(kept))

    def _open(self, kept: Record | LogEntry, sealed: str) -> tuple[str, str | None]:
        """Document and places. Raises DiagnosticsError."""
        ring = self._ring()
        if not any(key.id == key_id(sealed) for key in ring.keys):
            ring = self._read()  # it may have been put there, or made, since
        try:
            document, _, origin = ring.open(sealed, _owner(kept)).partition("\n")
        except InvalidError as error:
            known = label("value", kept.namespace, kept.name or kept.id)
            message = f"{known} cannot be opened: {error.reason}"
            found = Diagnostic("sealed-value", message, hint=error.hint, code=Code.UNAVAILABLE)
            raise DiagnosticsError([found]) from error
        return document, origin.strip() or None


def _owner(kept: Record | LogEntry) -> Sequence[str | None]:
    """Whose text it is. The name counts: two rows that swap their names would swap what nodes take from them."""
    return kept.resource, kept.namespace, kept.id, kept.name
