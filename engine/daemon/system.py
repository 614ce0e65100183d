"""The specs of the `system` namespace that come with the package: the admin API."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from engine.daemon.config import SYSTEM_NAMESPACE, Config
from engine.errors import InvalidError
from engine.spec.model import Spec, parse_specs

LISTENER = "admin-listener"
"""The spec that opens the address of the admin API."""


def system_specs() -> list[Spec]:
    """All specs of the admin API, from the installed package or else from the checkout."""
    folder = _folder()
    specs: list[Spec] = []
    for file in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if file.name.endswith((".yaml", ".yml")):
            specs += parse_specs(file.read_bytes(), file=f"specs/system/{file.name}", namespace=SYSTEM_NAMESPACE)
    return specs


def system_environment(config: Config) -> Mapping[str, Any]:
    """What the templates of the admin API are filled from."""
    address = config.admin.address
    if address is None:
        return {}
    return {"WEIR_ADMIN_HOST": address.host, "WEIR_ADMIN_PORT": address.port}


def _folder() -> Traversable:
    packaged = files("engine.daemon") / "system"
    if packaged.is_dir():
        return packaged
    checkout = Path(__file__).resolve().parents[2] / "specs" / "system"
    if checkout.is_dir():
        return checkout
    raise InvalidError("the specs of the admin API are missing from this installation", hint="install weir-flow again")
