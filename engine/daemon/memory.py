"""When the collector of cyclic garbage looks: hardly ever while a daemon begins, and never again at what it began with.

Modules, specs and nodes live as long as the daemon. A collector that knows nothing of that walks over them again and
again, first while they are made (a quarter of the time until ten thousand specs are served) and then while requests wait.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

SELDOM = 1_000_000
"""Objects that may be made before the collector looks, while nearly all that is made is there to stay: those of some
30,000 specs. It is a bound and no switch, since a daemon that waits for its store may be at its beginning for days."""


@contextmanager
def made_to_stay() -> Iterator[None]:
    """What is made within it is there to stay: the collector looks once at the end, and keeps away from it afterwards.

    Until then it looks after every :data:`SELDOM` objects only. What was there before, modules above all, it never looks
    at again. What somebody else sets meanwhile stays set.
    """
    usual = gc.get_threshold()
    seldom = (SELDOM, *usual[1:])
    gc.set_threshold(*seldom)
    gc.freeze()
    try:
        yield
    finally:
        gc.collect()
        gc.freeze()
        if gc.get_threshold() == seldom:
            gc.set_threshold(*usual)
