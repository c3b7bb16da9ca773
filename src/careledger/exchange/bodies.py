"""Where the bytes of resources come from once it is decided that they may be released."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from careledger.vault.opening import Opened

Name = tuple[str, str]
"""Type and id."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What was opened, with its bytes; only what is in here may be released."""

    opened: tuple[Opened, ...]
    changed: frozenset[Name] = frozenset()
    """What is not as it was committed to: the index has followed, so look and decide anew."""
    unanswered: int = 0
    """How many are missing because who keeps them did not answer."""


class Bodies(Protocol):
    """Any thread may call; it may take seconds."""

    def bring(self, found: Sequence[Opened]) -> Brought:
        """The bytes of what was opened, in its order; what cannot be had is left out.

        Raises:
            UpstreamLies: who keeps them answered something else than was asked.
        """
        ...


class InVault:
    """Every body is in the vault."""

    def bring(self, found: Sequence[Opened]) -> Brought:
        """See `Bodies.bring`."""
        return Brought(tuple(found))
