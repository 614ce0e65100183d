"""`sql`: statements for a database, in one transaction for each process."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from engine.errors import WeirError
from engine.flow import Forward, OneToOne, Payload, Process
from engine.graph.context import Context
from engine.graph.resources import Lease
from engine.graph.scheme import Codec
from engine.spec.fields import Duration
from engine.spec.schema import NodeSpec
from nodes.data.connection import IMMEDIATE
from nodes.data.source import Source
from nodes.data.sqlite import Database
from nodes.data.statement import read_statement

LEVELS: Final = (
    "default",
    "read_uncommitted",
    "read_committed",
    "write_committed",
    "repeatable_read",
    "snapshot",
    "serializable",
    "linearizable",
)
"""Levels of isolation, weakest first; older specs write their numbers."""

_WRITERS_QUEUE: Final = frozenset({"serializable", "linearizable"})
_SQLITE: Final = frozenset({"sqlite", "sqlite3"})
_POSTGRESQL: Final = frozenset({"postgresql", "postgres", "pgx"})


def _level(value: str) -> str:
    name = value.strip().lower().replace(" ", "_").replace("-", "_")
    if name.isdecimal() and int(name) < len(LEVELS):
        return LEVELS[int(name)]
    if name not in LEVELS:
        context = {"reason": f"is a level of isolation, not {value!r}", "hint": f"write one of {', '.join(LEVELS)}"}
        raise PydanticCustomError("field", "{reason}", context)
    return name


class SqlSpec(NodeSpec):
    """Runs SQL with bound parameters, in one transaction for each process."""

    driver: str = Field("sqlite", examples=["sqlite"])
    """The database: `sqlite`, also called `sqlite3`."""
    source: str = Field(min_length=1, examples=["file:app.db", "/var/lib/weir/app.db", ":memory:"])
    """Where it is: a path, a `file:` URI, or `:memory:` for a database that lives as long as its nodes."""
    isolation: Annotated[str, AfterValidator(_level)] = Field("default", examples=["serializable"])
    """The level of isolation. Every transaction of SQLite is serializable; with `serializable` or `linearizable`
    writers queue from their first statement on, instead of failing when another has written what they have read."""
    timeout: Duration = Field(timedelta(seconds=5), examples=["5s"])
    """How long a statement waits for a lock, or for a free connection."""


class Sql(OneToOne):
    """Runs the statement of each payload and passes on its rows, a list of maps; for a statement without rows, `[]`.

    A payload is `"SQL"` or `["SQL", parameters]`: a list binds by position, a map by name, and a list of maps runs the
    statement once for each. NULL is null, a BLOB is bytes. Of two columns with one name the last counts.

    All `sql` nodes with the same source share one transaction in a process. It begins with the first statement, is
    committed when the process is settled clean, and rolled back otherwise; a forked child has its own. Cancelling the
    process interrupts the statement.
    """

    def __init__(self, ctx: Context, source: Source, *, begin: str, timeout: float) -> None:
        super().__init__()
        self.ctx = ctx
        self.source = source
        self.begin = begin
        self.timeout = timeout
        self.lease: Lease[Database] | None = None

    async def load(self) -> None:
        self.lease = await self.ctx.resources.take(("sql", "sqlite", self.source), self._open)

    async def unload(self) -> None:
        lease, self.lease = self.lease, None
        if lease is not None:
            await lease.release()

    def action(self, payload: Payload, process: Process) -> Generator[Any, Any, Forward]:
        if self.lease is None:
            raise WeirError("the node is not loaded")
        statement = read_statement(payload)
        transaction = self.lease.resource.transaction(process)
        rows = transaction.try_now(statement, begin=self.begin, timeout=self.timeout)
        if rows is None:
            rows = yield transaction.run(statement, begin=self.begin, timeout=self.timeout)
        return Forward(self.out, rows)

    async def _open(self) -> Database:
        return Database(self.source)


def compile_sql(spec: SqlSpec, ctx: Context) -> Sql:
    """The node of a `sql`; a driver that there is not, and a source that cannot be read, are errors of the spec."""
    driver = spec.driver.strip().lower()
    if driver in _POSTGRESQL:
        raise ctx.invalid(
            f"the driver {spec.driver!r} is not available in this version", path=("driver",), hint="use sqlite"
        )
    if driver not in _SQLITE:
        raise ctx.invalid(
            f"unknown driver {spec.driver!r}", path=("driver",), hint="the drivers are sqlite and sqlite3"
        )
    try:
        source = Source.parse(spec.source)
    except ValueError as error:
        hint = "write a path, file:app.db, or :memory:"
        raise ctx.invalid(str(error), path=("source",), hint=hint) from error
    begin = IMMEDIATE if spec.isolation in _WRITERS_QUEUE else "BEGIN"
    return Sql(ctx, source, begin=begin, timeout=spec.timeout.total_seconds())


CODEC = Codec(
    kind="sql",
    aliases=("rdb",),
    spec=SqlSpec,
    compile=compile_sql,
    family="data",
    summary="Runs SQL with bound parameters, in one transaction for each process.",
    example="""\
- kind: snippet
  name: find
  code: '["SELECT * FROM users WHERE id = ?", [params.id]]'
  ports:
    out:
      - {name: users, port: in}
- kind: sql
  name: users
  driver: sqlite
  source: file:app.db
""",
)
