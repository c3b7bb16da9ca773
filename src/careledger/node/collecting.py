"""Keeping Python's garbage collector from walking through what stays while a process answers.

A full collection looks at every object that could be part of a circle: in a gateway mostly the
code itself, a tenth of a second in which nobody is answered. What lives when the process begins to
answer, and what survives one of the first full collections after that (modules that are loaded
when they are first needed), is left out from then on.
"""

import gc
from collections.abc import Mapping

FIRST = 8
"""So many full collections settle what stays; of later ones nothing is left out."""

_FULL = 2


class Settling:
    """A callback of `gc`. Mutable: it counts."""

    def __init__(self, left: int = FIRST) -> None:
        """Leave out what survives the next `left` full collections."""
        self._left = left

    def __call__(self, phase: str, info: Mapping[str, int]) -> None:
        """Told before and after each collection."""
        if phase == "stop" and info["generation"] == _FULL and self._left:
            self._left -= 1
            gc.freeze()


def settle() -> None:
    """Begin with all that lives now. For a process that is about to answer, once."""
    gc.collect()
    gc.freeze()
    gc.callbacks.append(Settling())
