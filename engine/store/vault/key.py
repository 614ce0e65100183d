"""A key, and how it is written down."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from engine.errors import InvalidError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SIZE: Final = 32
"""Bytes of a key: AES-256."""

HOW: Final = "make one with `openssl rand -base64 32`"

_HEX: Final = re.compile(r"[0-9A-Fa-f]{64}", re.ASCII)
_NAME: Final = b"the name of a key of Weir"


class Key:
    """32 secret bytes. `id` (16 hexadecimal digits) names the key without telling anything of it.

    Two keys with the same bytes are the same. The secret is in no text that this makes of itself.
    """

    __slots__ = ("_cipher", "_secret", "id")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != SIZE:
            raise ValueError(f"a key has {SIZE} bytes")
        self._secret = secret
        self._cipher: AESGCM | None = None
        self.id: str = hmac.digest(secret, _NAME, "sha256")[:8].hex()

    @property
    def cipher(self) -> AESGCM:
        """The cipher with this key. The library behind it is loaded when the first key is used, not before."""
        if self._cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM

            self._cipher = AESGCM(self._secret)
        return self._cipher

    def text(self) -> str:
        """The key as it is written down: base64."""
        return base64.b64encode(self._secret).decode("ascii")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Key) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return f"Key({self.id})"


def read_key(text: str, where: str) -> Key:
    """The key that is written as 64 hexadecimal digits, or as base64 of 32 bytes; white space around it is free.

    Raises InvalidError, which tells `where` it stands and never quotes it.
    """
    written = text.strip()
    if not written:
        raise InvalidError(f"the key in {where} is empty", hint=HOW)
    decode: Callable[[str], bytes] = bytes.fromhex if _HEX.fullmatch(written) else _base64
    try:
        return Key(decode(written))
    except (ValueError, binascii.Error):
        raise InvalidError(
            f"what stands in {where} is no key: that is 64 hexadecimal digits, or base64 of {SIZE} bytes", hint=HOW
        ) from None


def _base64(text: str) -> bytes:
    """The bytes of base64 in either alphabet; the signs that fill it up may be missing."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
