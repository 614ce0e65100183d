"""What travels on a line between the daemon and a child: frames of a kind and a content.

    kind (1 byte)  length (4 bytes, little-endian)  content

| to the child | content |
| --- | --- |
| `L` load  | JSON: what :class:`Load` holds; answered by `Y` or `X`, once |
| `R` run   | a text as `prelude.js` takes it; answered by `D`, `S`, `M` or `B` |
| `I` interrupt, `U` unlimited | nothing; not answered |

| from the child | content |
| --- | --- |
| `Y` ready | nothing |
| `X` not made | why |
| `P` progress | of the text that runs: how many calls are finished, or -1 if it has not even begun |
| `D` done, `S` stopped, `M` memory, `B` broken | the progress, then the answer's text |

The control socket of the zygote has orders of five bytes in one direction, and frames in the other:

| to the zygote | |
| --- | --- |
| `F` number | fork a child for the line whose end comes with it; the number is what it is known by |
| `K` number | kill that child, if it is still there |
| **from the zygote** | |
| `E` ended  | JSON: the `number`, the exit `code` (of a signal less than 0), the `words` on its standard error |

Progress is told by itself only while a text takes long, and always before its answer. All text is UTF-8 in which lone
surrogates pass.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from engine.language.javascript.engine import Settings, Status
from engine.language.javascript.module import Module

LOAD, RUN, INTERRUPT, UNLIMITED = b"L", b"R", b"I", b"U"
FORK, KILL, ENDED = b"F", b"K", b"E"
READY, NOT_MADE, PROGRESS = b"Y", b"X", b"P"
STATUS = {b"D": Status.DONE, b"S": Status.STOPPED, b"M": Status.MEMORY, b"B": Status.BROKEN}
KIND = {status: kind for kind, status in STATUS.items()}

ORDER = struct.Struct("<cI")
"""An order to the zygote."""

_HEAD = struct.Struct("<cI")
_PROGRESS = struct.Struct("<i")
_NOT_BEGUN = -1


class FrameError(Exception):
    """The other end does not keep to the protocol."""


@dataclass(frozen=True, slots=True)
class Load:
    """All that a child has to know to make its isolate."""

    script: str
    common: bool
    settings: Settings

    @property
    def module(self) -> Module:
        """The module, without what only its program needs."""
        return Module(source="", script=self.script, common=self.common, keeps_state=True)

    def content(self) -> bytes:
        return json.dumps(asdict(self)).encode()

    @classmethod
    def of(cls, content: bytes) -> Load:
        form = json.loads(content)
        return cls(form["script"], form["common"], Settings(**form["settings"]))


def frame(kind: bytes, content: bytes = b"") -> bytes:
    return _HEAD.pack(kind, len(content)) + content


def encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def decode(content: bytes) -> str:
    return content.decode("utf-8", "surrogatepass")


def with_progress(finished: int | None, text: str = "") -> bytes:
    """The content of a frame that tells the progress."""
    return _PROGRESS.pack(_NOT_BEGUN if finished is None else finished) + encode(text)


def progress_of(content: bytes) -> tuple[int | None, str]:
    """The other way. Raises :class:`FrameError`."""
    try:
        (finished,) = _PROGRESS.unpack_from(content)
        return None if finished == _NOT_BEGUN else finished, decode(content[_PROGRESS.size :])
    except (struct.error, UnicodeDecodeError) as error:
        raise FrameError(str(error)) from None


class Frames:
    """Bytes in, frames out. `most` is the longest content that is believed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._buffer = bytearray()

    def feed(self, received: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The frames that `received` completes. Raises :class:`FrameError` for one that is too long."""
        buffer = self._buffer
        buffer += received
        while len(buffer) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(buffer)
            if length > self._most:
                raise FrameError(f"a frame of {length} bytes")
            end = _HEAD.size + length
            if len(buffer) < end:
                return
            content = bytes(memoryview(buffer)[_HEAD.size : end])
            del buffer[:end]
            yield kind, content
