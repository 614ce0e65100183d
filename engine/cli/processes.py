"""Live processes, as people are told of them: where they began, and what they wait for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from engine.cli import table
from engine.cli.target import RunningProcess

_MOST = 3
"""Places that a row names."""


def render(processes: Sequence[RunningProcess], *, wide: bool = False) -> list[str]:
    """The lines of a table, the oldest process first; with the numbers of the workers, where a daemon has several."""
    header = ["ID", "STATE", "ORIGIN", "AGE"]
    several = any("worker" in each.form for each in processes)
    header += ["WORKER"] if several else []
    header += ["GENERATION", "HOPS", "CHILDREN", "PARENT"] if wide else []
    oldest_first = sorted(processes, key=lambda each: -_seconds(each.form))
    rows = [_row(each.form, several=several, wide=wide) for each in oldest_first]
    return table.render([*header, "WAITS FOR"], rows)


def _row(form: Any, *, several: bool, wide: bool) -> list[str]:
    cells = [str(form["id"]), str(form.get("state", "-")), str(form.get("origin") or "-"), _age(_seconds(form))]
    cells += [str(form.get("worker", "-"))] if several else []
    if wide:
        cells += [str(form.get(name, "-")) for name in ("generation", "hops", "children")]
        cells.append(str(form.get("parent") or "-"))
    return [*cells, _waits(form)]


def _waits(form: Any) -> str:
    """Where its lanes wait, those at one place counted together; its children where there is no lane."""
    places = Counter(str(place) for place in form.get("waits") or ())
    told = [f"{place} ({count})" if count > 1 else place for place, count in places.items()]
    if len(told) > _MOST:
        told[_MOST:] = [f"{len(told) - _MOST} more"]
    children = form.get("children") or 0
    if not told and children:
        told = [f"{children} child process{'es' if children > 1 else ''}"]
    return ", ".join(told) or "-"


def _seconds(form: Any) -> float:
    age = form.get("age")
    return float(age) if isinstance(age, (int, float)) else 0.0


def _age(seconds: float) -> str:
    """Most processes are gone within a second, so that is told in milliseconds."""
    return f"{int(seconds * 1000)}ms" if seconds < 1 else table.age(timedelta(seconds=seconds))
