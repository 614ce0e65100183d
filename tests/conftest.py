"""What all tests share: where the conformance cases are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent


def find_conformance() -> Path | None:
    """The folder of conformance cases: `CONFORMANCE_DIR`, else the sibling folder `shared/conformance`."""
    named = os.environ.get("CONFORMANCE_DIR")
    folder = Path(named) if named else PROJECT.parent / "shared" / "conformance"
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def conformance_dir() -> Path:
    folder = find_conformance()
    if folder is None:
        pytest.skip("no conformance cases: set CONFORMANCE_DIR to their folder")
    return folder


@pytest.fixture(scope="session")
def project_dir() -> Path:
    return PROJECT
