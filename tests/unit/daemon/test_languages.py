from __future__ import annotations

import pytest

from engine.daemon.config import Config, LanguagesSection
from engine.daemon.languages import make_languages
from engine.errors import InvalidError
from engine.language.cel import Limits
from engine.language.javascript.quickjs import MOST_MEMORY
from engine.language.python.printing import MOST_LINES, MOST_TEXT


def test_python_is_off_unless_the_config_says_on():
    with pytest.raises(InvalidError, match="'python' is turned off"):
        make_languages(Config()).compiler("python")
    languages = make_languages(Config(languages=LanguagesSection(python=True)))
    assert languages.compile("python", "payload")(1) == 1
    languages.close()


def test_the_reference_tells_the_defaults(project_dir):
    text = (project_dir / "docs" / "reference" / "languages.md").read_text(encoding="utf-8")
    javascript, cel = Config().javascript, Limits()
    for told in (
        f"`javascript.timeout`, {javascript.timeout.total_seconds():g} s",
        f"`javascript.inline_timeout`, {javascript.inline_timeout.total_seconds() * 1000:g} ms",
        f"`javascript.memory` for each, {javascript.memory // 2**20} MiB",
        f"| {MOST_MEMORY // 2**20} MiB |",
        f"`javascript.isolates`, {javascript.isolates},",
        f"{cel.time.total_seconds() * 1000:g} ms of the processor's time",
        f"{cel.size // 2**20} MiB, {cel.nesting} levels",
        f"may log {MOST_LINES} lines of {MOST_TEXT:,} characters",
    ):
        assert told in text
