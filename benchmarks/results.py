"""RESULTS.md, by section.

Each command replaces the sections that it measures, and keeps all others as the last run has left them.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
PICTURES = Path(__file__).resolve().parent / "pictures"


def today() -> str:
    """The day, in UTC."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def machine() -> str:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return (
        f"{today()}, {platform.system()} {platform.release()} on {os.cpu_count()} cores ({model}), "
        f"{platform.python_implementation()} {platform.python_version()}, aiohttp {version('aiohttp')}, load {os.getloadavg()[0]:.1f} before the run"
    )


def section_of(report: str, title: str) -> str | None:
    """The text of a section without its heading, None if there is none."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", report, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found is not None else None


def with_section(report: str, title: str, text: str, *, first: bool = False) -> str:
    """The report with this section in the place of the one with its title.

    A new one goes to the end, or in front of all others if it is to be the `first`.
    """
    section = f"## {title}\n\n{text.strip()}\n"
    found = re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", report, re.MULTILINE | re.DOTALL)
    if found is None and first:
        preface, rest = _apart(report)
        return f"{preface}\n\n{section}" + (f"\n{rest}" if rest else "")
    if found is None:
        return f"{report.rstrip()}\n\n{section}"
    rest = report[found.end() :]
    return report[: found.start()] + section + (f"\n{rest}" if rest else "")


def with_preface(report: str, text: str) -> str:
    """The report with this text, heading and all, in front of its sections."""
    rest = _apart(report)[1]
    return f"{text.strip()}\n" + (f"\n{rest}" if rest else "")


def in_order(report: str, titles: Sequence[str]) -> str:
    """The report with the sections of these titles first, in their order; the others follow as they were."""
    preface, rest = _apart(report)
    sections = [text.strip() for text in re.split(r"^(?=## )", rest, flags=re.MULTILINE) if text.strip()]
    place = {f"## {title}": index for index, title in enumerate(titles)}
    sections.sort(key=lambda text: place.get(text.partition("\n")[0], len(place)))
    return "\n\n".join([preface, *sections]) + "\n"


def _apart(report: str) -> tuple[str, str]:
    """What stands in front of the first section, and the sections."""
    found = re.search(r"^## ", report, re.MULTILINE)
    return (report.rstrip(), "") if found is None else (report[: found.start()].rstrip(), report[found.start() :])


def read_results() -> str:
    """The report as it is; a heading if there is none yet."""
    return RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"


def write_section(title: str, text: str) -> None:
    """Put a section into RESULTS.md."""
    RESULTS.write_text(with_section(read_results(), title, text), encoding="utf-8")
