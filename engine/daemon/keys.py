"""The store of a daemon, with the keys that its values are sealed with."""

from __future__ import annotations

from engine.daemon.config import Config
from engine.daemon.logs import Log
from engine.store.protocol import Store
from engine.store.url import open_store
from engine.store.vault import Vault


def make_store(config: Config, log: Log) -> Store:
    """The store of a config, not opened yet.

    A daemon with a key that is not there would serve until the first value comes, and fail then. So the keys that are
    named are read now: raises InvalidError for the first that is not there or is none. A key file that everybody may read
    is logged.
    """
    vault = Vault(config.values.key)
    vault.load()
    for said in vault.exposed():
        log.warning("key.exposed", reason=said)
    return open_store(config.store.url, keys=config.values.key)
