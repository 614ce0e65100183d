"""Several keys of which the first seals and all open, and the text of what is sealed.

    weir-aes256gcm:KEY-ID:BASE64

The base64 is a nonce of 96 random bits, and then what AES-256-GCM makes of the text. Whose text it is (any list of words)
is bound to it: it opens only where it was put. The text is filled up with spaces, so that its length tells little.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from engine.errors import InvalidError
from engine.store.vault.key import Key

MARK: Final = "weir-aes256gcm:"
"""What is sealed begins so. (A document begins with a brace.)"""

STEP: Final = 128
"""Bytes: the length of a text, as its seal shows it, is a multiple of this."""

_NONCE: Final = 12


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys, and which of them seals: None if all that is there is keys to open with.

    `missing` has a sentence for each source without a key.
    """

    sealing: Key | None = None
    keys: Sequence[Key] = ()
    missing: Sequence[str] = ()

    def seal(self, text: str, owner: Sequence[str | None]) -> str:
        """The sealed text, which opens for the same `owner` only."""
        key = self.sealing
        assert key is not None, "whoever seals has seen to it that there is a key"
        plain = text.encode()
        plain += b" " * (-len(plain) % STEP)
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + key.cipher.encrypt(nonce, plain, _bound(owner))
        return f"{MARK}{key.id}:{base64.b64encode(sealed).decode('ascii')}"

    def open(self, sealed: str, owner: Sequence[str | None]) -> str:
        """The text, with the spaces that fill it up. Raises InvalidError: no such key, or not as it was sealed."""
        known = key_id(sealed)
        key = next((key for key in self.keys if key.id == known), None)
        if key is None:
            missing = f" ({'; '.join(self.missing)})" if self.missing else ""
            raise InvalidError(
                f"it is sealed with the key {known}, which is not at hand{missing}",
                hint="name that key, too, in `values.key` of the config",
            )
        from cryptography.exceptions import InvalidTag

        try:
            raw = base64.b64decode(sealed.rpartition(":")[2], validate=True)
            return key.cipher.decrypt(raw[:_NONCE], raw[_NONCE:], _bound(owner)).decode()
        except (ValueError, InvalidTag) as error:
            raise InvalidError(
                "it is not as it was sealed: it is damaged, or was put in the place of another",
                hint="write the value anew, or restore it from a backup",
            ) from error

    def is_current(self, stored: str) -> bool:
        """Whether a stored text is sealed with the key that seals now."""
        return self.sealing is not None and key_id(stored) == self.sealing.id


def is_sealed(stored: str) -> bool:
    """Whether a stored text is sealed; another is plain, as older versions wrote it."""
    return stored.startswith(MARK)


def key_id(stored: str) -> str | None:
    """The id of the key that has sealed a text, None for a plain one."""
    return stored[len(MARK) :].partition(":")[0] if is_sealed(stored) else None


def _bound(owner: Sequence[str | None]) -> bytes:
    return json.dumps([MARK, *owner]).encode()
