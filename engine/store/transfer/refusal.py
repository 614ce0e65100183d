"""What both kinds of stores say when they refuse to be copied from or into."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.errors import ConflictError, InvalidError, UnavailableError
from engine.store.instance import Instance
from engine.store.record import Record
from engine.store.transfer.tally import amount
from engine.store.trial import Trial


def refuse_trials(store: str, trials: Iterable[Trial], namespaces: frozenset[str] | None) -> None:
    """Raise ConflictError if a trial runs in what is copied: both stores would take it back, each by itself."""
    running = [trial for trial in trials if namespaces is None or trial.namespaces & namespaces]
    if running:
        first = running[0]
        more = f", and {len(running) - 1} more" if len(running) > 1 else ""
        raise ConflictError(
            f"{first.title} runs on {store}{more}; a copy would have it twice",
            hint=f"end it first: `weir confirm {first.id}`, or `weir confirm {first.id} --revert`",
            details={"trials": [trial.id for trial in running]},
        )


def refuse_same(store: str, identity: str, *, source: str) -> None:
    """Raise ConflictError if the store with this identity is the source."""
    if identity == source:
        raise ConflictError(f"{store} is the store that is to be copied", hint="name another one to copy to")


def refuse_content(store: str, *, specs: int, values: int, changes: int, trials: int, revision: int) -> None:
    """Raise ConflictError unless a store has never held anything."""
    found = {"spec": specs, "value": values, "revision": changes, "trial": trials}
    there = [amount(count, what) for what, count in found.items() if count]
    if not there and not revision:
        return
    held = f"holds {', '.join(there)}" if there else f"has held something, and counts from revision {revision}"
    raise ConflictError(
        f"{store} is not empty: it {held}",
        hint="copy to a store that does not exist yet; revisions keep their numbers, so two stores cannot be merged",
    )


def refuse_daemons(store: str, instances: Sequence[Instance]) -> None:
    """Raise ConflictError if a daemon runs on a store that is to be filled."""
    if instances:
        first = instances[0]
        more = f" and {len(instances) - 1} more" if len(instances) > 1 else ""
        raise ConflictError(
            f"a daemon runs on {store}: process {first.pid} on {first.host}{more}",
            hint="stop it first; one that was killed is forgotten after 30s",
        )


def nothing_lasts(done: str) -> InvalidError:
    """The error for a store in memory, which is empty in each process that opens it."""
    return InvalidError(
        f"memory:// cannot be {done}: nothing of it outlives its process", hint="name a sqlite:/// or mongodb:// store"
    )


def half_a_copy(source: str, store: str) -> UnavailableError:
    """The error for a store that a copy has not finished."""
    return UnavailableError(
        f"the store {store} is only a part of {source}: the copy was interrupted, or is still under way",
        hint=f"run `weir store copy {source} {store}` again, which begins anew; or drop it",
    )


def being_copied(source: str, store: str, *, seconds: int) -> ConflictError:
    """The error for a store into which another copy has written so many seconds ago."""
    return ConflictError(
        f"another copy, of {source}, is being written to {store}: it has moved {seconds}s ago",
        hint="let it end; one that was killed is given up a minute after that",
    )


def overtaken(store: str) -> ConflictError:
    """The error for a copy that was silent for so long that another one took its place."""
    return ConflictError(
        f"another copy has taken over {store}, for this one was silent for too long", hint="let that one end"
    )


def nothing_there(store: str) -> UnavailableError:
    """The error for a URL under which there is no store."""
    return UnavailableError(f"there is no store {store}", hint="check its URL")


def outdated(store: str, version: int, *, known: int) -> UnavailableError:
    """The error for a store that must be brought up to date before it can be read as a whole."""
    return UnavailableError(
        f"the store {store} was written by an older Weir: its schema is {version}, this one's is {known}",
        hint=f"`weir get specs --store {store}` brings it up to date",
    )


def refuse_sealed(store: str, record: Record) -> None:
    """Raise UnavailableError for a value that cannot be opened: what nobody can read, nobody can copy."""
    if record.problem is not None:
        raise UnavailableError(f"{record.problem.message}, in {store}; nothing was copied", hint=record.problem.hint)


def unreadable(store: str, what: str, error: Exception) -> UnavailableError:
    """The error for a row that nobody can copy."""
    return UnavailableError(
        f"the store {store} holds {what} that cannot be read: {error}",
        hint=f"`weir store check --store {store}` tells all that is wrong with it",
    )
