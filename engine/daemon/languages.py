"""The languages of snippets, as the config has them: for a daemon, and for `weir run`."""

from __future__ import annotations

from engine.daemon.config import Config
from engine.language.registry import Languages, default_languages


def make_languages(config: Config) -> Languages:
    """Languages with the operator's settings. Whoever asks closes them."""
    return default_languages(
        python=config.languages.python,
        javascript_engine=config.javascript.engine,
        javascript_isolation=config.javascript.isolation,
        javascript_timeout=config.javascript.timeout,
        javascript_inline_timeout=config.javascript.inline_timeout,
        javascript_memory=config.javascript.memory,
        javascript_isolates=config.javascript.isolates,
        javascript_result=config.javascript.result,
    )
