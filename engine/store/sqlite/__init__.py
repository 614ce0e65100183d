"""A store in one SQLite file, shared safely by several processes: the daemon, the command line, other daemons.

The layout of the package, from the outside in:

* :mod:`~engine.store.sqlite.store` is the store: coroutines that hand jobs to one thread, and the watches.
* :mod:`~engine.store.sqlite.feed` is a second thread, alive while somebody watches: it sees what *any* process commits.
* :mod:`~engine.store.sqlite.tables` has all SQL that reads and writes rows.
* :mod:`~engine.store.sqlite.rotation` seals values anew.
* :mod:`~engine.store.sqlite.transfer` and :mod:`~engine.store.sqlite.inspection` are for whole files: to copy and to check.
* :mod:`~engine.store.sqlite.file` opens the file, brings its schema up to date, and says in plain words what is wrong.
"""

from engine.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
