"""The tables of a store, as the migrations that make them. A migration that was released is never changed."""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x57454952
"""Marks a file as a store ("WEIR")."""

_FIRST: Final = (
    # One row. `identity` tells this file from one that is put in its place. Changes up to `floor` may be missing.
    """
    CREATE TABLE state (
      only INTEGER PRIMARY KEY CHECK (only = 1),
      identity TEXT NOT NULL,
      revision INTEGER NOT NULL,
      floor INTEGER NOT NULL
    ) STRICT
    """,
    "INSERT INTO state VALUES (1, lower(hex(randomblob(16))), 0, 0)",
    # What is stored now. `known` is the name, or else the id: listings are ordered by it.
    """
    CREATE TABLE documents (
      resource TEXT NOT NULL,
      id TEXT NOT NULL,
      namespace TEXT NOT NULL,
      name TEXT,
      known TEXT NOT NULL GENERATED ALWAYS AS (coalesce(name, id)) VIRTUAL,
      revision INTEGER NOT NULL,
      labels TEXT NOT NULL,
      meaning TEXT NOT NULL,
      document TEXT NOT NULL,
      origin TEXT,
      PRIMARY KEY (resource, id)
    ) STRICT
    """,
    "CREATE UNIQUE INDEX documents_by_name ON documents (resource, namespace, name) WHERE name IS NOT NULL",
    "CREATE INDEX documents_in_order ON documents (resource, namespace, known, id)",
    # Every change, in order: for watches of all processes, and as the history of specs.
    """
    CREATE TABLE changes (
      revision INTEGER PRIMARY KEY,
      batch INTEGER NOT NULL,
      action TEXT NOT NULL,
      resource TEXT NOT NULL,
      id TEXT NOT NULL,
      namespace TEXT NOT NULL,
      name TEXT,
      document TEXT,
      origin TEXT,
      time INTEGER NOT NULL,
      author TEXT,
      message TEXT
    ) STRICT
    """,
    "CREATE INDEX changes_by_id ON changes (resource, id, revision)",
    "CREATE INDEX changes_by_name ON changes (resource, namespace, name, revision)",
    "CREATE INDEX changes_by_time ON changes (resource, time)",
    # The heartbeat stands apart, so that a beat does not write the states of thousands of specs anew.
    """
    CREATE TABLE instances (
      id TEXT PRIMARY KEY,
      namespace TEXT NOT NULL,
      body TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE heartbeats (
      id TEXT PRIMARY KEY REFERENCES instances (id) ON DELETE CASCADE,
      time INTEGER NOT NULL
    ) STRICT
    """,
)

_TRIALS: Final = (
    # Changes that go back unless they are confirmed; `body` tells everything about one.
    """
    CREATE TABLE trials (
      id TEXT PRIMARY KEY,
      deadline INTEGER NOT NULL,
      body TEXT NOT NULL
    ) STRICT
    """,
    # What was there before a trial, as it stood in `documents`.
    """
    CREATE TABLE trial_documents (
      trial TEXT NOT NULL REFERENCES trials (id) ON DELETE CASCADE,
      resource TEXT NOT NULL,
      id TEXT NOT NULL,
      namespace TEXT NOT NULL,
      name TEXT,
      revision INTEGER NOT NULL,
      labels TEXT NOT NULL,
      meaning TEXT NOT NULL,
      document TEXT NOT NULL,
      origin TEXT,
      PRIMARY KEY (trial, resource, id)
    ) STRICT
    """,
)

_SEALED: Final = (
    # From here on values are sealed, which older versions cannot read. What they say is compared when it is opened: a hash
    # of a short secret gives it away.
    "UPDATE documents SET meaning = '' WHERE resource = 'value'",
)

MIGRATIONS: Final[tuple[tuple[str, ...], ...]] = (_FIRST, _TRIALS, _SEALED)
"""The statements that lead from each version of the schema (an index) to the next."""
