"""Terms of a consent: what it says about the resources themselves, sealed and off the ledger.

The shape is FHIR R4 Consent.provision as IHE PCF uses it: a base provision, and provisions nested
one level deep that are exceptions to it. On the ledger stands only `commit(salt, terms)`. What is
not known of a resource counts against its release: an undated resource lies inside every period
that is denied, and outside every period that is permitted. Published as spec/terms.md.
"""

import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Final, Literal, NamedTuple, Protocol

import msgspec

from careledger.ledger.errors import LedgerError
from careledger.ledger.record import Digest, Record, decode, encode
from careledger.mechanisms.purpose import Purpose, includes

Action = Literal["read", "search", "export"]
"""One resource; resources by criteria; the whole record."""

Code = Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
"""A code as "system|code"."""

Reference = Annotated[str, msgspec.Meta(min_length=3, max_length=255)]
"""A relative FHIR reference, "Type/id"."""

ResourceType = Annotated[str, msgspec.Meta(pattern="^[A-Z][A-Za-z]{1,63}\\Z")]

Second = Annotated[int, msgspec.Meta(ge=-(2**53), lt=2**53)]
"""UTC seconds since 1970, negative before."""

Effect = Literal["permit", "deny"]

MAX_EXCEPTIONS: Final = 32
CONFIDENTIALITY: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality|"
SENSITIVITY: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode|"
_LEVELS: Final = "ULMNRV"
"""HL7 v3 Confidentiality, from unrestricted to very restricted."""

_WIDER_LABEL: Final = {
    SENSITIVITY + "ETHUD": (SENSITIVITY + "ETH", SENSITIVITY + "SUD"),
    SENSITIVITY + "OPIOIDUD": (SENSITIVITY + "ETH", SENSITIVITY + "SUD"),
    SENSITIVITY + "PSYTHPN": (SENSITIVITY + "PSY",),
}
"""Sensitivity labels with the labels that include them (HL7 v3 InformationSensitivityPolicy)."""


class Facts(Record):
    """What terms look at in one resource, and nothing more."""

    type: ResourceType
    id: str = ""
    categories: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    """Security labels (meta.security), "system|code"."""
    start: int | None = None
    end: int | None = None
    """When it clinically was, in UTC seconds, `end` excluded; None if the resource does not say."""
    authors: tuple[str, ...] = ()
    """Who answers for it, as "Practitioner/x" or "Organization/y"."""
    related: tuple[str, ...] = ()
    """The encounter, episode or care plan it belongs to."""


class Asker(Protocol):
    """What terms look at in a use; `policy.Use` is one."""

    @property
    def requester(self) -> str: ...
    @property
    def practitioner(self) -> str | None: ...
    @property
    def role(self) -> str | None: ...
    @property
    def purpose(self) -> Purpose: ...
    @property
    def action(self) -> Action: ...


class Period(Record):
    """From `start` until before `end`; None is open."""

    start: Second | None = None
    end: Second | None = None


class Link(Record):
    """A tie to one resource (FHIR R4 Consent.provision.data)."""

    meaning: Literal["instance", "related", "authored-by"]
    reference: Reference


class Actor(Record):
    """Who asks: an organisation, one practitioner, or a role."""

    kind: Literal["member", "practitioner", "role"]
    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class Provision(Record):
    """One rule: an effect on what matches every part that is filled in; an empty part is any."""

    effect: Effect
    types: tuple[ResourceType, ...] = ()
    categories: tuple[Code, ...] = ()
    codes: tuple[Code, ...] = ()
    labels: tuple[Code, ...] = ()
    period: Period | None = None
    links: tuple[Link, ...] = ()
    purposes: tuple[Purpose, ...] = ()
    actors: tuple[Actor, ...] = ()
    actions: tuple[Action, ...] = ()

    def concerns(self, use: Asker) -> bool:
        """Whether it speaks about this use, whatever the resource."""
        return (
            (not self.purposes or includes(self.purposes, use.purpose))
            and (not self.actions or use.action in self.actions)
            and (not self.actors or any(_is(actor, use, self.effect) for actor in self.actors))
        )

    def is_about_all(self) -> bool:
        """Whether it speaks about every resource."""
        return not (
            self.types
            or self.categories
            or self.codes
            or self.labels
            or self.period is not None
            or self.links
        )

    def describes(self, facts: Facts) -> bool:
        """Whether it speaks about this resource, whatever the use."""
        against = self.effect == "deny"
        return (
            (not self.types or facts.type in self.types)
            and (not self.categories or _meet(self.categories, facts.categories))
            and (not self.codes or _meet(self.codes, facts.codes))
            and (not self.labels or _labelled(self.labels, facts.labels, against=against))
            and (self.period is None or _within(self.period, facts, against=against))
            and (not self.links or any(_tied(link, facts, against=against) for link in self.links))
        )


class Terms(Record):
    """The base provision of a consent and its exceptions."""

    base: Provision
    exceptions: Annotated[tuple[Provision, ...], msgspec.Meta(max_length=MAX_EXCEPTIONS)] = ()

    def effect_on(self, facts: Facts, use: Asker) -> Effect | None:
        """What this consent says of the resource in this use; None if nothing.

        An exception wins over the base, a denying exception over a permitting one.
        """
        found: Effect | None = None
        for exception in self.exceptions:
            if exception.concerns(use) and exception.describes(facts):
                if exception.effect == "deny":
                    return "deny"
                found = "permit"
        if found is None and self.base.concerns(use) and self.base.describes(facts):
            return self.base.effect
        return found

    def covers(self, facts: Facts, use: Asker) -> bool:
        """Whether the consent reaches the resource: a grant permits it, a denial denies it."""
        return self.effect_on(facts, use) == self.base.effect


WHOLE_RECORD: Final = Terms(base=Provision(effect="permit"))
"""What a grant without terms says."""

WHOLE_DENIAL: Final = Terms(base=Provision(effect="deny"))
"""What a denial without terms says."""


def commit(salt: bytes, terms: Terms) -> Digest:
    """The commitment that stands on the ledger: HMAC-SHA256 under a random 32-byte salt."""
    return commit_encoded(salt, encode(terms))


def commit_encoded(salt: bytes, encoded: bytes) -> Digest:
    """Like `commit`, for terms already encoded."""
    if len(salt) != 32:  # noqa: PLR2004 - as long as the digest
        raise TermsMismatchError
    return Digest(hmac.digest(salt, encoded, "sha256"))


class TermsMismatchError(LedgerError):
    """These are not the terms that were committed to."""


class OpenedTerms(NamedTuple):
    """Terms that match their commitment; made by `open_terms`, and by `stored_terms` after it."""

    commitment: Digest
    terms: Terms


def open_terms(commitment: bytes, salt: bytes, encoded: bytes) -> OpenedTerms:
    """Check opened terms against the commitment on the ledger.

    Raises:
        TermsMismatchError: another commitment.
        Malformed: not the encoding of terms.
    """
    if not hmac.compare_digest(commit_encoded(salt, encoded), commitment):
        raise TermsMismatchError
    return OpenedTerms(Digest(commitment), _decode_terms(encoded))


def stored_terms(commitment: bytes, encoded: bytes) -> OpenedTerms:
    """Terms from the custodian's own store, which took them in through `open_terms`."""
    return OpenedTerms(Digest(commitment), _decode_terms(encoded))


@lru_cache(maxsize=65_536)
def _decode_terms(encoded: bytes) -> Terms:
    return decode(encoded, Terms)


def _meet(wanted: Sequence[str], found: Sequence[str]) -> bool:
    return any(one in found for one in wanted)


def _is(actor: Actor, use: Asker, effect: Effect) -> bool:
    if actor.kind == "member":
        return actor.id == use.requester
    asked = use.practitioner if actor.kind == "practitioner" else use.role
    return effect == "deny" if asked is None else actor.id == asked


def _labelled(wanted: Sequence[str], found: Sequence[str], *, against: bool) -> bool:
    for label in wanted:
        if _is_level(label):
            asked, level = _LEVELS.find(label[-1]), _highest(found)
            if level == asked or (against and level > asked):
                return True
        elif label in found:
            return True
        else:
            for one in found:
                if label in _WIDER_LABEL.get(one, ()):
                    return True
    return False


def _highest(found: Sequence[str]) -> int:
    """A resource is as confidential as its highest label says."""
    return max((_LEVELS.find(label[-1]) for label in found if _is_level(label)), default=-1)


def _is_level(label: str) -> bool:
    return label.startswith(CONFIDENTIALITY) and label[len(CONFIDENTIALITY) :] in _LEVELS


def _within(period: Period, facts: Facts, *, against: bool) -> bool:
    """Denied if any moment lies inside or none is known; permitted only if every moment does."""
    start, end = facts.start, facts.end
    if start is None or end is None:
        return against
    if against:
        return (period.end is None or start < period.end) and (
            period.start is None or end > period.start
        )
    return (period.start is None or start >= period.start) and (
        period.end is None or end <= period.end
    )


def _tied(link: Link, facts: Facts, *, against: bool) -> bool:
    match link.meaning:
        case "instance":
            return link.reference == f"{facts.type}/{facts.id}"
        case "related":
            return link.reference in facts.related
        case "authored-by":
            return link.reference in facts.authors if facts.authors else against
