"""All rules on all rows of a store, one table after another.

Memory is bounded by the number of documents and of specs that ever were, not by their size or by how many revisions there
are: of each, a few words are kept.

A table that cannot be read to its end is a finding, and the rules that would need it stay silent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from engine.errors import UnavailableError
from engine.store.check.documents import Documents
from engine.store.check.finding import RESTORE, Finding
from engine.store.check.history import History
from engine.store.check.instances import Instances
from engine.store.check.protocol import Glance, Inspection, Row, Table
from engine.store.check.trials import Trials


@dataclass(frozen=True, slots=True)
class Checked:
    """What a store holds, as far as it could be read, and all that is wrong with it."""

    glance: Glance
    specs: int
    values: int
    changes: int
    trials: int
    alive: int
    dead: int
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> int:
        """How many of the findings are damage."""
        return sum(finding.severity == "error" for finding in self.findings)


async def check(inspection: Inspection, *, tell: Callable[[str, int, int], None] = lambda *_: None) -> Checked:
    """Check an open store; nothing in it is changed. `tell` hears the table, and how many of its rows are done, of how many.

    Raises UnavailableError if there is no store, or none that can be opened.
    """
    glance = await inspection.begin()
    found = list(glance.findings)

    async def go_through(table: Table, look: Callable[[Row], Iterator[Finding]]) -> bool:
        """Whether the table could be read to its end."""
        done = 0
        try:
            async with aclosing(inspection.rows(table)) as parts:
                async for part in parts:
                    found.extend(finding for row in part for finding in _looked(look, row, table))
                    done += len(part)
                    tell(table, done, glance.sizes.get(table, 0))
        except UnavailableError as error:
            told = f"it cannot be read after {done:,} rows: {error}"
            found.append(Finding("unreadable-table", table, told, error.hint or RESTORE))
            return False
        return True

    history = History(glance)
    documents = Documents(glance, inspection.vault, None)
    trials = Trials(glance, inspection.vault, None)
    instances = Instances(glance)
    if glance.readable:
        if await go_through("changes", history.look):
            found += history.end()
            documents.history = trials.history = history
        if await go_through("documents", documents.look) and documents.history is not None:
            found += history.lost()
        found += documents.end()
        if await go_through("trials", trials.look) and await go_through("trial_documents", trials.look_before):
            found += trials.end()
        await go_through("instances", instances.look)
    return Checked(
        glance,
        documents.specs,
        documents.values,
        history.count,
        trials.count,
        instances.alive,
        instances.dead,
        tuple(found),
    )


def _looked(look: Callable[[Row], Iterator[Finding]], row: Row, table: Table) -> Iterator[Finding]:
    """What is wrong with a row. One in which something is of no use at all, such as a number that is a text, is a finding."""
    try:
        yield from look(row)
    except (TypeError, AttributeError, KeyError, ValueError) as error:
        known = row.get("id") or row.get("revision")
        yield Finding("unreadable-row", f"{table} {known}", f"{type(error).__name__}: {error}", RESTORE)
