"""`weir start --watch`: keeps the store in step with files while the daemon runs.

A file that is saved is read, checked and applied like `weir apply` does it; a spec that disappears from the files is
deleted, if this came from them. While a file is wrong, what is wrong is told, and the store stays as it was.
"""

from __future__ import annotations

from collections.abc import Sequence

from engine.cli.checking import check, has_errors
from engine.cli.console import Console
from engine.cli.sources import Items, read_spec_files, read_value_files
from engine.errors import DiagnosticsError, NotFoundError, UnavailableError, WeirError
from engine.spec.model import Spec, Value
from engine.store.protocol import DeleteSpec, DeleteValue, PutSpec, PutValue, Query, Store, Write


class Files:
    """Specs and values in files, as the store should have them."""

    def __init__(self, console: Console, specs: Sequence[str], values: Sequence[str], *, namespace: str) -> None:
        self._console = console
        self._spec_paths = specs
        self._value_paths = values
        self._namespace = namespace
        self._specs: dict[tuple[str, str], Spec] = {}
        self._values: dict[tuple[str, str], Value] = {}

    @property
    def paths(self) -> list[str]:
        """What to watch."""
        return [path for path in (*self._spec_paths, *self._value_paths) if path != "-"]

    def read(self, existing: Sequence[Spec] = ()) -> list[Write]:
        """What to write so that the store has what the files have.

        Raises :class:`~engine.errors.DiagnosticsError` with all that is wrong with them; warnings are shown.
        """
        specs: Items[Spec] = read_spec_files(self._spec_paths, namespace=self._namespace)
        values: Items[Value] = read_value_files(self._value_paths, namespace=self._namespace)
        self._console.sources.update({**specs.texts, **values.texts})
        found = [*specs.problems, *values.problems, *check(specs.items, existing=existing)]
        if has_errors(found):
            raise DiagnosticsError(found)
        if found:
            self._console.report(found)
        new_specs = {spec.key: spec for spec in specs.items}
        new_values = {value.key: value for value in values.items}
        writes: list[Write] = [
            DeleteSpec(id=spec.id or None, namespace=spec.namespace, name=spec.name)
            for key, spec in self._specs.items()
            if key not in new_specs
        ]
        writes += [
            DeleteValue(id=value.id or None, namespace=value.namespace, name=value.name)
            for key, value in self._values.items()
            if key not in new_values
        ]
        writes += [PutValue(value) for value in new_values.values()]
        writes += [PutSpec(spec) for spec in new_specs.values()]
        self._specs, self._values = new_specs, new_values
        return writes

    async def follow(self, store: Store) -> None:
        """Apply every change of the files, until cancelled."""
        from watchfiles import awatch

        async for _ in awatch(*self.paths, debounce=50, step=20, raise_interrupt=False):
            before = (self._specs, self._values)
            try:
                spaces = tuple({self._namespace, *(space for space, _ in self._specs)})
                writes = self.read(await store.specs(Query(namespaces=spaces)))
                if writes:
                    await store.apply(writes, author="weir start --watch")
            except DiagnosticsError as error:
                self._specs, self._values = before
                self._console.report(error.diagnostics)
            except (NotFoundError, UnavailableError) as error:
                self._specs, self._values = (
                    before  # an editor replaces a file by another: it is there again in a moment
                )
                self._console.warn(error.value.text, error.hint)
            except WeirError as error:
                self._specs, self._values = before
                self._console.fail(error.value.text, error.hint)
