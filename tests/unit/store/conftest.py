"""What the tests of stores share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from engine.spec.model import Spec, parse_spec


@pytest.fixture
def spec() -> Callable[..., Spec]:
    """Makes a spec of a name and fields."""

    def make(name: str | None = "a", **fields: Any) -> Spec:
        document = {"kind": "print", **fields}
        if name is not None:
            document["name"] = name
        return parse_spec(document)

    return make
