"""Lists in specs that need at least one entry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema


@dataclass(frozen=True, slots=True)
class NotEmpty:
    """Asks for an entry. (Pydantic's own limit counts only the good entries, and so complains twice about a bad one.)"""

    def __get_pydantic_core_schema__(self, source_type: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_after_validator_function(_not_empty, handler(source_type))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> Mapping[str, Any]:
        return {**handler(schema), "minItems": 1}


def _not_empty(value: Any) -> Any:
    if not value:
        raise PydanticCustomError("field", "{reason}", {"reason": "must not be empty"})
    return value


NOT_EMPTY: Final = NotEmpty()
