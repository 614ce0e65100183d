"""The rows of daemons: which of them are alive, and which were left behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.errors import InvalidError
from engine.store.check.finding import Finding
from engine.store.check.protocol import Glance, Row
from engine.store.clock import moment
from engine.store.instance import load_body


@dataclass(slots=True)
class Instances:
    """Takes the rows of `instances`. Dead ones are no damage: the next daemon forgets them after a day."""

    glance: Glance
    alive: int = 0
    dead: int = 0

    def look(self, row: Row) -> Iterator[Finding]:
        """What is wrong with the row of a daemon."""
        now = moment(self.glance.now)
        subject = f"instance {row['id']}"
        if row["time"] is None:
            self.dead += 1
            told = "it has no heartbeat, so nobody will ever forget it"
            yield Finding("unreadable-instance", subject, told, "nothing; it is in nobody's way", "warning")
            return
        try:
            instance = load_body(row["body"], moment(row["time"]))
        except (InvalidError, ValueError, TypeError, OverflowError) as error:
            self.dead += 1
            told = f"its row cannot be read: {error}"
            yield Finding("unreadable-instance", subject, told, "restart the daemon; it writes its row anew")
            return
        if instance.alive(now):
            self.alive += 1
        else:
            self.dead += 1
