"""What a node may use, and how it says what is wrong.

Nodes take nothing from modules: languages, clock, log, store and shared resources reach them through the
:class:`Context` that their codec gets. There is one for each node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from engine.errors import Diagnostic, DiagnosticsError, ErrorValue, ExpressionError, Place, WeirError
from engine.flow import Generation, Node, Process
from engine.graph.resources import Resources
from engine.graph.sockets import OwnSockets, Sockets
from engine.language.protocol import Options, Program

if TYPE_CHECKING:
    from engine.graph.symbol import Site

Path = tuple[str | int, ...]


class Clock:
    """Time as nodes see it. Tests hand in one that they turn by hand."""

    def now(self) -> datetime:
        """The time of day, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        return monotonic()

    def sleep(self, delay: float) -> Awaitable[None]:
        """Wait for `delay` seconds."""
        return asyncio.sleep(delay)


class Log(Protocol):
    """A structured log: an event in past tense, and fields."""

    def debug(self, event: str, **fields: Any) -> Any: ...
    def info(self, event: str, **fields: Any) -> Any: ...
    def warning(self, event: str, **fields: Any) -> Any: ...
    def error(self, event: str, **fields: Any) -> Any: ...


class Languages(Protocol):
    """The languages of snippets and conditions."""

    def compile(self, name: str, source: str, options: Options = Options()) -> Program: ...

    def is_cold(self, name: str) -> bool:
        """Whether the first use of this language would take long."""
        ...

    def warm(self, names: Iterable[str]) -> None:
        """Make the first use of these languages quick. Blocks: call it in a thread."""
        ...


OPCODES = (
    "nodes.create",
    "nodes.read",
    "nodes.update",
    "nodes.delete",
    "nodes.apply",
    "values.create",
    "values.read",
    "values.update",
    "values.delete",
    "values.apply",
    "instances.read",
    "processes.read",
    "processes.cancel",
    "revisions.read",
    "revisions.rollback",
    "trials.read",
    "trials.confirm",
    "trials.revert",
    "health.read",
)
"""What a `syscall` node can ask of the daemon."""


class Syscalls(Protocol):
    """What `syscall` nodes do to the daemon that they run in."""

    async def call(self, opcode: str, payload: Any, *, namespace: str) -> Any:
        """Do one of :data:`OPCODES`; `namespace` is the one in which the asking flow runs.

        Gives plain data. Raises :class:`~engine.errors.WeirError` for bad input, with the text `invalid argument`, and
        for whatever else goes wrong; then nothing has been changed.
        """
        ...


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator has set and nodes look at."""

    body_limit: int = 8 * 1024 * 1024
    """Bytes of a request body, after which it is refused (413)."""
    request_timeout: timedelta | None = timedelta(seconds=60)
    """Deadline of a process that a listener makes."""
    process_timeout: timedelta | None = None
    """Deadline of every process that has no other."""
    development: bool = False
    """Whether error answers tell details."""
    access_log: bool = True


@dataclass(slots=True)
class Context:
    """What one node may use.

    `site` tells who the node is and where its spec stands; it is replaced when the spec is written anew without a
    change of meaning, so look at it when you need it.
    """

    site: Site
    languages: Languages
    generation: Callable[[], Generation]
    """The generation that a new process is to be made in: the current one."""
    log: Log
    clock: Clock
    resources: Resources
    settings: Settings
    syscalls: Syscalls | None = None
    sockets: Sockets = field(default_factory=OwnSockets)
    """Where listening sockets come from."""
    node: Node | None = None
    """The node itself, once it is compiled."""

    def elsewhere(self, site: Site) -> Context:
        """What a node at another site may use: the same."""
        return Context(
            site,
            self.languages,
            self.generation,
            self.log,
            self.clock,
            self.resources,
            self.settings,
            self.syscalls,
            self.sockets,
        )

    # --- for codecs

    def compile(
        self, source: str, language: str, *, path: Path, timeout: timedelta | None = None, engine: str | None = None
    ) -> Program:
        """Compile the code that stands at `path` of the spec; what is wrong with it is raised with its place there."""
        try:
            return self.languages.compile(language, source, Options(timeout=timeout, engine=engine, log=self._console))
        except ExpressionError as error:
            place = self.inside(path, error.place)
            found = Diagnostic("expression", error.value.text, place, error.hint, code=error.code, path=path)
            raise DiagnosticsError([found]) from error
        except WeirError as error:
            reason = getattr(error, "reason", error.value.text)
            details = error.value.details
            option = details.get("option") if isinstance(details, dict) else None
            if option is not None:
                raise self.invalid(reason, path=(option,), hint=error.hint) from error
            raise self.invalid(reason, path=("language",), hint=error.hint, rule="unknown-language") from error

    def invalid(
        self, message: str, *, path: Path = (), hint: str | None = None, rule: str = "invalid-field"
    ) -> DiagnosticsError:
        """An error to raise: what stands at `path` of the spec is wrong."""
        place = self.site.origin.place(path) if self.site.origin is not None else Place()
        return DiagnosticsError([Diagnostic(rule, message, place, hint, path=path)])

    # --- for running nodes

    def process(self, *, deadline: float | None = None) -> Process:
        """A new process on the current generation.

        `deadline` is a time of the event loop's clock; without one the operator's `limits.process_timeout` holds.
        """
        timeout = self.settings.process_timeout
        if deadline is None and timeout is not None:
            deadline = asyncio.get_running_loop().time() + timeout.total_seconds()
        process = Process(self.generation(), deadline=deadline, origin=self.site.label)
        process.maker = self.node
        return process

    def process_failed(self, error: ErrorValue | None, *, chosen: bool = False, **fields: Any) -> None:
        """Log that a process has failed: once for each, by whoever made it. `fields` tell what he knows of it.

        An error of ours or of a node is one for the operator, too; one that the flow has `chosen` to answer with, such as
        a 503, and what a client did wrong, are warnings.
        """
        if error is None:
            return
        write = self.log.error if error.code.http >= 500 and not chosen else self.log.warning
        # A traceback: of a node as text, of a snippet as a map beside the name of what was raised.
        details = {"details": error.details} if isinstance(error.details, (str, dict)) else {}
        hint = {"hint": error.hint} if error.hint else {}
        write(
            "process.failed",
            node=error.node or self.site.label,
            place=str(error.place or self.site.place),
            code=error.code.label,
            message=error.text,
            **fields,
            **hint,
            **details,
        )

    def inside(self, path: Path, place: Place | None) -> Place:
        """The place in the file of a place within the text at `path` of the spec."""
        origin = self.site.origin
        if origin is None:
            return place or Place()
        if place is None or not place.line:
            return origin.place(path)
        return origin.inside(path, place.line, place.column or 1)

    def locate(self, error: ErrorValue, path: Path) -> ErrorValue:
        """An error of the code at `path`, with its place in the file."""
        if error.place is not None and error.place.file is not None:
            return error
        return replace(error, place=self.inside(path, error.place))

    def _console(self, level: str, text: str) -> None:
        write = {"debug": self.log.debug, "warning": self.log.warning, "error": self.log.error}.get(
            level, self.log.info
        )
        write("console.written", node=self.site.label, text=text)
