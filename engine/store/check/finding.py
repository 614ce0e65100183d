"""One thing that is wrong with a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from engine.store.record import label

Severity: TypeAlias = Literal["error", "warning"]

RESTORE: Final = "restore a backup"


@dataclass(frozen=True, slots=True)
class Finding:
    """`code` is a stable short name of the rule, `subject` what it is about, `hint` what to do.

    An error is damage, or will hurt whoever works with the store; a warning is worth knowing.
    """

    code: str
    subject: str
    message: str
    hint: str
    severity: Severity = "error"

    def to_json(self) -> dict[str, Any]:
        """The public form."""
        return {
            "code": self.code,
            "severity": self.severity,
            "subject": self.subject,
            "message": self.message,
            "hint": self.hint,
        }


def called(row: Mapping[str, Any]) -> str:
    """How messages call the document of a row, whatever is in the row."""
    return label(row["resource"], row["namespace"], row["name"] or row["id"])
