"""Scopes: which resource types a token is for and what it may do with them (SMART 2.1, v2 syntax).

A scope narrows what a client may ask at all. What it then gets is decided by consent, each time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from re import compile as regex
from typing import Final, Literal

from careledger.fhir.r4.registry import MODULES

Interaction = Literal["c", "r", "u", "d", "s"]
"""Create, read (also a version), update, delete, search."""

CallerKind = Literal["member", "practitioner", "patient"]

ANY_TYPE: Final = "*"
SYSTEM: Final = "system"

_SCOPE: Final = regex(r"(system|patient)/(\*|[A-Z][A-Za-z]{1,63})\.(c?r?u?d?s?)")
_MAY: Final[dict[CallerKind, str]] = {
    "member": "cruds",
    "practitioner": "cruds",
    "patient": "rs",
}
_MOST_SCOPES: Final = 64


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope as it was granted: `system/Observation.rs`."""

    context: str
    type: str
    """A resource type, or `*`."""
    interactions: str
    """Of `cruds`, in this order."""

    def __str__(self) -> str:
        return f"{self.context}/{self.type}.{self.interactions}"


@dataclass(frozen=True, slots=True)
class Scopes:
    """Every scope of one token; what none of them names is not allowed."""

    granted: tuple[Scope, ...]

    def allow(self, type_: str, interaction: Interaction) -> bool:
        """Whether `interaction` with resources of `type_` is within these scopes."""
        return any(
            scope.type in {ANY_TYPE, type_} and interaction in scope.interactions
            for scope in self.granted
        )

    def allow_all(self, interactions: Iterable[Interaction]) -> bool:
        """Whether each of `interactions` is allowed with resources of any type."""
        return all(self.allow(ANY_TYPE, one) for one in interactions)

    def __str__(self) -> str:
        return " ".join(map(str, self.granted))


def grant(asked: str, kind: CallerKind) -> Scopes:
    """What of `asked` is known here and open to such a caller; it may be nothing."""
    granted = (_grant(text, kind) for text in asked.split(" ")[:_MOST_SCOPES])
    return Scopes(tuple(dict.fromkeys(scope for scope in granted if scope is not None)))


def _grant(text: str, kind: CallerKind) -> Scope | None:
    match = _SCOPE.fullmatch(text)
    if match is None:
        return None
    context, type_, asked = match.groups()
    if type_ != ANY_TYPE and type_ not in MODULES:
        return None
    if context != SYSTEM and kind != "patient":
        return None
    interactions = "".join(one for one in asked if one in _MAY[kind])
    return Scope(context, type_, interactions) if interactions else None
