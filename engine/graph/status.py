"""What has become of a spec: its state, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from engine.errors import Diagnostic

StateName = Literal["active", "pending", "failed", "draining"]


@dataclass(frozen=True, slots=True)
class Status:
    """The state of one spec in one table.

    * *active*: `revision` runs.
    * *pending*: something that it refers to does not exist yet or cannot be resolved; `reason` names it.
    * *failed*: `revision` is wrong in itself; `diagnostics` tell where.
    * *draining*: it has been deleted, and processes that began before go on with it.

    `serving` is the revision whose nodes run: another one than `revision` when the newest cannot, None for none.
    """

    id: str
    namespace: str
    kind: str
    name: str | None
    state: StateName
    revision: int
    serving: int | None = None
    reason: str = ""
    diagnostics: tuple[Diagnostic, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "namespace": self.namespace,
            "kind": self.kind,
            "name": self.name,
            "state": self.state,
            "revision": self.revision,
            "serving": self.serving,
            "reason": self.reason,
            "diagnostics": [diagnostic.to_json() for diagnostic in self.diagnostics],
        }
