"""Hears of changes of files and folders, also of those that are replaced, deleted, or made again.

What is listened to are folders, never a file: an editor that puts a new file in the place of the old one would leave a
watch of the old one behind. So a named file means the folder in which it is, a named folder itself, what is in it, and
the one in which it is, and a link its own folder and that of its target. Whoever has heard of a change listens anew,
since the folders may be others by now.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Final

from engine.cli.sources import SUFFIXES

TICK: Final = 100
"""Milliseconds after which it is told that nothing has happened."""

_TOGETHER: Final = 50
"""Milliseconds within which changes are told together at the latest."""


async def listen(paths: Sequence[str]) -> AsyncGenerator[bool, None]:
    """Tell again and again whether anything has changed: True at once, False after :data:`TICK` without a change.

    Once it has told anything, it has heard of every change since it was asked first. Closing it ends it.
    """
    from watchfiles import awatch

    named = Named(paths)
    async for changes in awatch(
        *named.folders(),
        watch_filter=lambda _, path: named.concerns(Path(path)),
        debounce=_TOGETHER,
        step=20,
        rust_timeout=TICK,
        yield_on_timeout=True,
        recursive=False,
        ignore_permission_denied=True,
    ):
        yield bool(changes)


class Named:
    """Files and folders that a command line names, whether they are there or not, and where their links lead now."""

    def __init__(self, paths: Sequence[str]) -> None:
        absolute = [Path(os.path.abspath(path)) for path in paths]  # noqa: PTH100  # resolve() would follow links
        self._paths = tuple(dict.fromkeys([*absolute, *(path.resolve() for path in absolute)]))

    def folders(self) -> list[str]:
        """The folders in which something can happen that matters."""
        found: dict[str, None] = {}
        for path in self._paths:
            found[str(_nearest_folder(path.parent))] = None
            for folder, inner, _ in os.walk(path):  # nothing, if it is no folder
                inner[:] = [name for name in inner if not name.startswith(".")]
                found[folder] = None
        return list(found)

    def concerns(self, path: Path) -> bool:
        """Whether a change at this path may be one of what is named."""
        if path.is_symlink():
            return True  # the way to what is named may lead over it
        for named in self._paths:
            if named.is_relative_to(path):
                return True
            if path.is_relative_to(named):
                return _counts(path.relative_to(named).parts, path)
        return False


def _counts(parts: Sequence[str], path: Path) -> bool:
    """Whether a change inside a named folder can be one of a file that is read, or of a folder with some."""
    if any(part.startswith(".") for part in parts):
        return False
    return path.name.lower().endswith(SUFFIXES) or path.is_dir() or not path.exists()


def _nearest_folder(path: Path) -> Path:
    """The folder itself, or the innermost one around it that is there."""
    return next(folder for folder in (path, *path.parents) if folder.is_dir())
