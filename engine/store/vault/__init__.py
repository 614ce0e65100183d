"""How values are kept secret at rest.

* :mod:`~engine.store.vault.vault` stands between a store's rows and everything above them.
* :mod:`~engine.store.vault.keyring` seals and opens a text; :mod:`~engine.store.vault.key` is a key and its spelling.
* :mod:`~engine.store.vault.source` reads keys from where a config says they are; :mod:`~engine.store.vault.file` makes the
  one that a store keeps beside it.
* :mod:`~engine.store.vault.rotation` is what a rotation tells of itself.

`cryptography` is imported when the first value is sealed or opened.
"""

from engine.store.vault.rotation import Rotation
from engine.store.vault.source import Source
from engine.store.vault.vault import Vault

__all__ = ["Rotation", "Source", "Vault"]
