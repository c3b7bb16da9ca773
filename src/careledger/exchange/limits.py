"""What a token adds to consent: it can only take away from what consent lets its caller see."""

from dataclasses import dataclass
from typing import Final, Literal, Protocol

from careledger.fhir.index import Facts
from careledger.mechanisms.terms import Action

Interaction = Literal["c", "r", "u", "d", "s"]
"""Create, read (a version and the history too), update, delete, search: SMART 2.1 scopes."""

INTERACTION_OF: Final[dict[Action, Interaction]] = {"read": "r", "search": "s", "export": "r"}
"""Which part of a scope lets a caller do it."""


class Visible(Protocol):
    """Whether a token's scopes reach a resource; pure, and fast: searches ask it of each match."""

    def __call__(self, facts: Facts, interaction: Interaction, /) -> bool:
        """Whether `interaction` with the resource that `facts` describe is within the scopes."""
        ...


def everything(_: Facts, __: Interaction, /) -> bool:
    """No limit."""
    return True


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one token."""

    patient: str | None = None
    """Local id of the only patient whose records it reaches: SMART's launch context."""
    visible: Visible = everything


UNLIMITED: Final = Limits()
