"""`weir start --watch`: keeps the store in step with files while the daemon runs.

A file that is saved is read, checked and applied like `weir apply` does it; a spec that disappears from the files is
deleted, if it came from them and is still there. While a file is wrong or missing, that is told, and the store stays as it
was. Nothing that goes wrong ends the watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final

from engine.cli.checking import check, has_errors, nameless
from engine.cli.console import Console
from engine.cli.listening import listen
from engine.cli.sources import read_spec_files, read_value_files
from engine.cli.target import Item, Known
from engine.daemon.logs import Log
from engine.errors import Diagnostic, DiagnosticsError, NotFoundError, WeirError
from engine.spec.model import Spec, Value
from engine.store.protocol import DeleteSpec, DeleteValue, PutSpec, PutValue, Query, Store, Write

AUTHOR: Final = "weir start --watch"

SETTLE: Final = 0.2
"""Seconds after which a spec that has disappeared is looked for again: an editor may be replacing its file."""

RETRY: Final = 1.0
"""Seconds after which it is tried again, if the store did not take it."""

Listen = Callable[[Sequence[str]], AsyncGenerator[bool, None]]
"""See :func:`engine.cli.listening.listen`."""


@dataclass(frozen=True, slots=True)
class Content:
    """What is in the files, by namespace and name (or id)."""

    specs: Mapping[tuple[str, str], Spec] = field(default_factory=dict)
    values: Mapping[tuple[str, str], Value] = field(default_factory=dict)

    def puts(self) -> list[Write]:
        """What to write so that all of it is in the store; values first, since specs may need them."""
        return [*map(PutValue, self.values.values()), *map(PutSpec, self.specs.values())]

    def namespaces(self) -> set[str]:
        return {namespace for namespace, _ in (*self.specs, *self.values)}


class Files:
    """Specs and values in files, as the store should have them."""

    def __init__(
        self,
        console: Console,
        log: Log,
        specs: Sequence[str],
        values: Sequence[str],
        *,
        namespace: str,
        listen: Listen = listen,
        settle: float = SETTLE,
        retry: float = RETRY,
    ) -> None:
        self._console = console
        self._log = log
        self._spec_paths = specs
        self._value_paths = values
        self._namespace = namespace
        self._listen = listen
        self._settle = settle
        self._retry = retry
        self._written = Content()
        self._told: Sequence[Diagnostic] = ()
        self._said: str | None = None

    def read(self) -> list[Write]:
        """What to write so that the store has what the files have.

        Raises :class:`~engine.errors.DiagnosticsError` with all that is wrong with them; warnings are shown.
        """
        content, problems = self._load()
        self._report(problems, content, existing=())
        self._written = content
        return content.puts()

    async def follow(self, store: Store) -> None:
        """Apply what is in the files now, and then every change of them, until cancelled."""
        while True:
            try:
                await self._round(store)
            except Exception as error:
                self._log.error("watch.failed", error=str(error) or type(error).__name__, exc_info=error)
                await asyncio.sleep(self._retry)

    async def _round(self, store: Store) -> None:
        """Listen, read and apply, until there is something to do again."""
        async with aclosing(self._listen([*self._spec_paths, *self._value_paths])) as heard:
            await anext(heard)  # first listen, then read: what is saved meanwhile is not lost
            done = await self._apply(store)
            clock = asyncio.get_running_loop().time
            since = clock()
            async for changed in heard:
                if changed or (not done and clock() - since >= self._retry):
                    return

    async def _apply(self, store: Store) -> bool:
        """Bring the store in step with the files. False if it may be worth trying again though nothing changes."""
        try:
            content, problems = self._load()
        except NotFoundError as error:
            # Whoever replaces a file or folder may have it away for a moment.
            self._say("warning", error)
            return True
        except WeirError as error:
            self._say("error", error)
            return False
        try:
            if self._missing(content):
                await asyncio.sleep(self._settle)
                content, problems = self._load()
            await self._write(store, content, problems)
        except DiagnosticsError as error:
            self._tell(error.diagnostics)
            return True
        except WeirError as error:
            self._say("error", error)
            return False
        return True

    async def _write(self, store: Store, content: Content, problems: list[Diagnostic]) -> None:
        spaces = tuple({self._namespace, *self._written.namespaces(), *content.namespaces()})
        specs = await store.specs(Query(namespaces=spaces))
        values = await store.values(Query(namespaces=spaces))
        gone_specs = _gone(self._written.specs, content.specs, specs)
        gone_values = _gone(self._written.values, content.values, values)
        self._report(problems, content, existing=[spec for spec in specs if spec.id not in gone_specs])
        writes: list[Write] = [DeleteSpec(id=id) for id in gone_specs]
        writes += [DeleteValue(id=id) for id in gone_values]
        writes += content.puts()
        if writes:
            await store.apply(writes, author=AUTHOR)
        self._written, self._said = content, None

    def _load(self) -> tuple[Content, list[Diagnostic]]:
        """What is in the files, and what is wrong with it as far as that is seen without a store."""
        specs = read_spec_files(self._spec_paths, namespace=self._namespace)
        values = read_value_files(self._value_paths, namespace=self._namespace)
        self._console.sources.update({**specs.texts, **values.texts})
        problems = [*specs.problems, *values.problems, *nameless(specs.items), *nameless(values.items)]
        content = Content({spec.key: spec for spec in specs.items}, {value.key: value for value in values.items})
        return content, problems

    def _missing(self, content: Content) -> bool:
        """Whether anything that the files had is not in them any more."""
        return not (
            self._written.specs.keys() <= content.specs.keys() and self._written.values.keys() <= content.values.keys()
        )

    def _report(self, problems: list[Diagnostic], content: Content, *, existing: Sequence[Spec]) -> None:
        """Show warnings. Raises DiagnosticsError if there are errors."""
        found = [*problems, *check(list(content.specs.values()), existing=existing)]
        if has_errors(found):
            raise DiagnosticsError(found)
        self._tell(tuple(found))

    def _tell(self, found: Sequence[Diagnostic]) -> None:
        """Show findings, unless they are what was shown last."""
        if found and self._told != found:
            self._console.report(found)
        self._told = found

    def _say(self, how: str, error: WeirError) -> None:
        """Say what went wrong, unless it is what was said last."""
        if self._said != error.value.text:
            (self._console.warn if how == "warning" else self._console.fail)(error.value.text, error.hint)
        self._said = error.value.text


def _gone(
    before: Mapping[tuple[str, str], Item], now: Mapping[tuple[str, str], Item], stored: Sequence[Item]
) -> list[str]:
    """The ids of what the files had and the store still has, and nothing in the files is or replaces any more."""
    known = Known(stored)
    kept = {found.id for item in now.values() if (found := known.find(item)) is not None}
    lost = (known.find(item) for key, item in before.items() if key not in now)
    return [found.id for found in lost if found is not None and found.id not in kept]
