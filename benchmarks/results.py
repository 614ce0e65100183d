"""RESULTS.md, by section.

Most sections are measured anew by `make bench`. Some take too long for that; they have a target of their own that
replaces just them, and `make bench` keeps what the last run of that has left.
"""

from __future__ import annotations

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).resolve().parent / "RESULTS.md"
PICTURES = Path(__file__).resolve().parent / "pictures"


def machine() -> str:
    """What the figures were measured on."""
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    except OSError:
        pass
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {platform.system()} on {os.cpu_count()} cores ({model}), "
        f"{platform.python_implementation()} {platform.python_version()}, load {os.getloadavg()[0]:.1f} before the run"
    )


def section_of(report: str, title: str) -> str | None:
    """The text of a section without its heading, None if there is none."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", report, re.MULTILINE | re.DOTALL)
    return found[1].strip() if found is not None else None


def with_section(report: str, title: str, text: str) -> str:
    """The report with this section in the place of the one with its title, or else at the end."""
    section = f"## {title}\n\n{text.strip()}\n"
    found = re.search(rf"^## {re.escape(title)}\n.*?(?=^## |\Z)", report, re.MULTILINE | re.DOTALL)
    if found is None:
        return f"{report.rstrip()}\n\n{section}"
    rest = report[found.end() :]
    return report[: found.start()] + section + (f"\n{rest}" if rest else "")


def read_results() -> str:
    """The report as it is; a heading if there is none yet."""
    return RESULTS.read_text(encoding="utf-8") if RESULTS.exists() else "# Results\n"


def write_section(title: str, text: str) -> None:
    """Put a section into RESULTS.md."""
    RESULTS.write_text(with_section(read_results(), title, text), encoding="utf-8")
