"""Scopes: what a token is for and what it may do (SMART App Launch 2.2, 3.0.2).

A scope narrows what a client may ask at all. What it then gets is decided by consent, each time.
Scopes of version 1 (`.read`, `.write`, `.*`) are taken, and written as those of version 2.
"""

from dataclasses import dataclass
from re import compile as regex
from typing import Final, Literal

from careledger.exchange.limits import Interaction
from careledger.fhir.r4.registry import MODULES
from careledger.gateway.auth_restrictions import format_restriction, parse_restriction

Context = Literal["system", "user", "patient"]
"""As whom: a service, whoever signed in, or whoever signed in and about one patient alone."""

CallerKind = Literal["member", "practitioner", "patient", "staff", "service", "partner"]
"""A member's own key; an account's own key; a person whom the member vouches for; a program that
the member registered; another member."""

ANY_TYPE: Final = "*"
SYSTEM: Final = "system"

LAUNCH: Final = frozenset(("launch", "launch/patient", "launch/encounter"))
OPENID: Final = frozenset(("openid", "fhirUser", "profile"))
REFRESH: Final = frozenset(("offline_access", "online_access"))
EXTRAS: Final = LAUNCH | OPENID | REFRESH
"""Scopes that are not about resources."""

_SCOPE: Final = regex(
    r"(system|user|patient)/(\*|[A-Z][A-Za-z]{1,63})\.(read|write|\*|c?r?u?d?s?)(?:\?(\S+))?"
)
_VERSION_1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
_READING: Final = "rs"
_MAY: Final[dict[CallerKind, str]] = {
    "member": "cruds",
    "practitioner": "cruds",
    "patient": _READING,
    "staff": "cruds",
    "service": "cruds",
    "partner": _READING,
}
_OWN_KEY: Final[dict[CallerKind, frozenset[str]]] = {
    "member": frozenset(("system",)),
    "practitioner": frozenset(("system",)),
    "patient": frozenset(("system", "patient")),
    "service": frozenset(("system",)),
    "partner": frozenset(("system",)),
}
_IN_APP: Final[dict[CallerKind, frozenset[str]]] = {
    "staff": frozenset(("user", "patient")),
    "patient": frozenset(("patient",)),
}
"""Contexts that are open to callers who sign for themselves, and to those who sign in to an app."""

_MOST_SCOPES: Final = 64
_LONGEST: Final = 1_024


@dataclass(frozen=True, slots=True)
class Scope:
    """One scope as it was granted: `patient/Observation.rs?category=vital-signs`."""

    context: str
    type: str
    """A resource type, or `*`."""
    interactions: str
    """Of `cruds`, in this order."""
    restriction: str = ""
    """A search that what is reached must match, as `format_restriction` writes it."""

    def __str__(self) -> str:
        query = f"?{self.restriction}" if self.restriction else ""
        return f"{self.context}/{self.type}.{self.interactions}{query}"

    def covers(self, type_: str, interaction: Interaction) -> bool:
        """Whether it is about `interaction` with resources of `type_`."""
        return self.type in {ANY_TYPE, type_} and interaction in self.interactions

    def within(self, other: "Scope") -> "Scope | None":
        """What both of them reach, if they may have anything in common."""
        if self.context != other.context or (
            self.type != other.type and ANY_TYPE not in {self.type, other.type}
        ):
            return None
        letters = "".join(one for one in self.interactions if one in other.interactions)
        texts = [one.restriction for one in (self, other) if one.restriction]
        joined = [each for text in texts for each in parse_restriction(text) or ()]
        restriction = format_restriction(tuple(joined)) if joined else ""
        type_ = other.type if self.type == ANY_TYPE else self.type
        return Scope(self.context, type_, letters, restriction) if letters else None


@dataclass(frozen=True, slots=True)
class Scopes:
    """Every scope of one token; what none of them names is not allowed."""

    granted: tuple[Scope, ...]
    extras: tuple[str, ...] = ()
    """Of `EXTRAS`: what is asked of the sign-in itself."""

    def allow(self, type_: str, interaction: Interaction) -> bool:
        """Whether `interaction` with some resources of `type_` is within these scopes.

        Which ones: `auth_limits.Limits`. Changes are never confined to some.
        """
        return any(scope.covers(type_, interaction) for scope in self.granted)

    def allow_whole(self, type_: str, interaction: Interaction) -> bool:
        """Whether it is within these scopes with every resource of `type_` that can be reached."""
        return any(
            scope.covers(type_, interaction)
            for scope in self.granted
            if not scope.restriction and scope.context != "patient"
        )

    def within(self, others: "Scopes") -> "Scopes":
        """What of these `others` reach as well: never more than either."""
        pairs = (one.within(other) for one in self.granted for other in others.granted)
        return Scopes(
            tuple(dict.fromkeys(scope for scope in pairs if scope is not None)),
            tuple(one for one in self.extras if one in others.extras),
        )

    def __str__(self) -> str:
        return " ".join([*self.extras, *map(str, self.granted)])


def parse_scopes(asked: str) -> Scopes:
    """What of `asked` is known here."""
    words = [text for text in asked.split(" ")[:_MOST_SCOPES] if len(text) <= _LONGEST]
    found = (_parse(text) for text in words)
    return Scopes(
        tuple(dict.fromkeys(scope for scope in found if scope is not None)),
        tuple(dict.fromkeys(text for text in words if text in EXTRAS)),
    )


def grant(asked: str, kind: CallerKind) -> Scopes:
    """What of `asked` is known, and open to such a caller who signs in with a key."""
    return _cut(parse_scopes(asked), kind, _OWN_KEY.get(kind, frozenset()), frozenset())


def grant_in_app(asked: Scopes, kind: CallerKind) -> Scopes:
    """What of `asked` is open to such a person in an application that they signed in to."""
    return _cut(asked, kind, _IN_APP.get(kind, frozenset()), EXTRAS)


def _cut(
    asked: Scopes, kind: CallerKind, contexts: frozenset[str], extras: frozenset[str]
) -> Scopes:
    found = (_narrow(scope, _MAY[kind]) for scope in asked.granted if scope.context in contexts)
    return Scopes(
        tuple(dict.fromkeys(scope for scope in found if scope is not None)),
        tuple(one for one in asked.extras if one in extras),
    )


def _narrow(scope: Scope, may: str) -> Scope | None:
    """Scopes that reach only some resources are for reading: a change could leave their bounds."""
    confined = scope.context == "patient" or scope.restriction
    letters = "".join(
        one for one in scope.interactions if one in may and (not confined or one in _READING)
    )
    return Scope(scope.context, scope.type, letters, scope.restriction) if letters else None


def _parse(text: str) -> Scope | None:
    match = _SCOPE.fullmatch(text)
    if match is None:
        return None
    context, type_, asked, query = match.groups()
    if type_ != ANY_TYPE and type_ not in MODULES:
        return None
    criteria = parse_restriction(query) if query is not None else ()
    if criteria is None:
        return None
    interactions = _VERSION_1.get(asked, asked)
    restriction = format_restriction(criteria) if criteria else ""
    return Scope(context, type_, interactions, restriction) if interactions else None
