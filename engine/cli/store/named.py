"""The stores that a verb is about, from their URLs."""

from __future__ import annotations

import os

from engine.cli.console import Console
from engine.daemon.config import Config, load_config
from engine.store.protocol import Store
from engine.store.url import open_store


def read_config(console: Console, file: str | None, *, store: str | None = None) -> Config:
    """The config, with its warnings told; `store` is a URL that wins over that of the config."""
    loaded = load_config(file, environ=os.environ, overrides={"store.url": store})
    for warning in loaded.warnings:
        console.warn(warning.message, warning.hint)
    return loaded.config


def named(url: str, config: Config) -> Store:
    """The store with this URL, with the keys of the config; not opened. Raises InvalidError for a bad URL."""
    return open_store(url, keys=config.values.key)
