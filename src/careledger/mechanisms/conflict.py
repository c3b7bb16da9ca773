"""The conflict rule: one answer from all the consents of a patient, the same on every node.

Published, with its reasons, as spec/consent-decision.md. In short: no, unless a grant that
matches in every dimension says yes and no denial says no; and no wherever the terms of anything
that matches are missing.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from careledger.mechanisms.envelope import Envelope
from careledger.mechanisms.policy import Basis, Denied, Dimension, Permit, Use, decided
from careledger.mechanisms.terms import (
    WHOLE_DENIAL,
    WHOLE_RECORD,
    Facts,
    OpenedTerms,
    Terms,
)

TermsOf = Callable[[bytes], OpenedTerms | None]
"""From a consent id to the terms the custodian holds, checked against their commitment."""

Some = list[tuple[bytes, Envelope]]

Consents = Sequence[tuple[bytes, Envelope]]
"""Every consent ever given under one account, by id and in the order of ids."""


def resolve(use: Use, consents: Consents, terms_of: TermsOf) -> tuple[Permit, ...] | Denied:
    """One permit for each grant that may serve as basis, electronic ones first; or the refusal."""
    grants, denials = matching(use, consents)
    for _, denial in denials:
        if denial.terms is None:
            return Denied(use=use, dimensions=("denial",), rule="denial")
    opened = _open(denials + grants, terms_of)
    if opened is None:
        return Denied(use=use, dimensions=("terms",), rule="terms-missing")
    if not grants:
        return _nearest(use, consents)
    against = tuple([opened[key] for key, _ in denials])
    permits = [
        _permit(use, key, envelope, opened[key], against)
        for key, envelope in grants
        if _has_something(opened[key], use)
    ]
    if not permits or (against and _leave_nothing(against, use)):
        return Denied(use=use, dimensions=("terms",), rule="terms")
    return tuple(permits)


def _permit(
    use: Use, consent_id: bytes, envelope: Envelope, terms: Terms, denials: tuple[Terms, ...]
) -> Permit:
    return decided(
        use,
        Basis(name="grant", id=consent_id),
        "grant",
        until=envelope.expires(),
        grant=terms,
        denials=denials,
    )


def matching(use: Use, consents: Consents) -> tuple[Some, Some]:
    """The grants that match and count, electronic ones first, and the denials that match."""
    grants: Some = []
    denials: Some = []
    paper: Some = []
    for pair in consents:
        envelope = pair[1]
        if envelope.matches(use):
            if envelope.kind == "denial":
                denials.append(pair)
            else:
                (paper if envelope.form == "paper" else grants).append(pair)
    if paper:
        grants += _not_set_aside(paper, consents, use)
    return grants, denials


def _not_set_aside(paper: Some, consents: Consents, use: Use) -> Some:
    """Those grants on paper since which the patient has not spoken herself about this grantee.

    Paper never widens: it counts for nothing while a grant of her own to the same grantee is in
    force, nor if she ended one after the paper was attested.
    """
    own = [
        envelope
        for _, envelope in consents
        if envelope.form == "electronic"
        and envelope.kind == "grant"
        and envelope.custodian == use.custodian
        and envelope.grantee == use.requester
    ]
    if any(envelope.is_in_force(use.time) for envelope in own):
        return []
    last = max((envelope.ended for envelope in own if envelope.ended is not None), default=None)
    return [pair for pair in paper if last is None or last < pair[1].given]


def _open(pairs: Iterable[tuple[bytes, Envelope]], terms_of: TermsOf) -> dict[bytes, Terms] | None:
    """The terms of each; None if those of any are missing, or are not what was committed to."""
    found: dict[bytes, Terms] = {}
    for key, envelope in pairs:
        if envelope.terms is None:
            found[key] = WHOLE_RECORD if envelope.kind == "grant" else WHOLE_DENIAL
            continue
        opened = terms_of(key)
        if opened is None or opened.commitment != envelope.terms:
            return None
        base = "permit" if envelope.kind == "grant" else "deny"
        if opened.terms.base.effect != base:
            return None
        found[key] = opened.terms
    return found


def _has_something(grant: Terms, use: Use) -> bool:
    """Whether a grant permits anything at all in this use."""
    found = False
    for one in (grant.base, *grant.exceptions):
        if one.concerns(use):
            if one.effect == "permit":
                found = True
            elif one.is_about_all():
                return False
    return found


def _leave_nothing(denials: Iterable[Terms], use: Use) -> bool:
    """Whether one of `denials` forbids every resource in this use."""
    for denial in denials:
        speaking = [one for one in (denial.base, *denial.exceptions) if one.concerns(use)]
        if any(one.effect == "deny" and one.is_about_all() for one in speaking) and not any(
            one.effect == "permit" for one in speaking
        ):
            return True
    return False


def _nearest(use: Use, consents: Consents) -> Denied:
    """Name the dimensions in which the nearest grants fail.

    Nearest are, in this order: those that name the requester at this custodian; those that fail
    in the fewest dimensions; those in force. Of equally near ones all dimensions are named.
    """
    failing = {key: envelope.failing(use) for key, envelope in consents if envelope.kind == "grant"}
    misses = [dimensions for dimensions in failing.values() if dimensions]
    if not misses:
        return Denied(use=use, dimensions=("consent",), rule="no-consent")
    nearest = min(_distance(dimensions) for dimensions in misses)
    named: set[Dimension] = set()
    for dimensions in misses:
        if _distance(dimensions) == nearest:
            named.update(dimensions)
    ordered = tuple(dimension for dimension in _ORDER if dimension in named)
    return Denied(use=use, dimensions=ordered, rule="envelope")


_ORDER: tuple[Dimension, ...] = (
    "custodian",
    "grantee",
    "person",
    "role",
    "purpose",
    "action",
    "validity",
    "status",
)


def _distance(dimensions: tuple[Dimension, ...]) -> tuple[bool, int, bool]:
    elsewhere = "custodian" in dimensions or "grantee" in dimensions
    return elsewhere, len(dimensions), "validity" in dimensions or "status" in dimensions


Reading = Literal["matches", "outside", "set-aside", "terms-missing", "covers", "silent"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Considered:
    """How one consent was read in a decision: told to the patient, and to nobody else."""

    consent_id: bytes
    envelope: Envelope
    reading: Reading
    failing: tuple[Dimension, ...]


def consider(
    use: Use, consents: Consents, terms_of: TermsOf, facts: Facts | None = None
) -> tuple[Considered, ...]:
    """Each consent and how it was read, for this use and, if given, this resource."""
    counted = {key for key, _ in matching(use, consents)[0]}
    return tuple(
        Considered(
            consent_id=key,
            envelope=envelope,
            reading=_read(use, (key, envelope), counted, terms_of, facts),
            failing=envelope.failing(use),
        )
        for key, envelope in consents
    )


def _read(
    use: Use,
    pair: tuple[bytes, Envelope],
    counted: set[bytes],
    terms_of: TermsOf,
    facts: Facts | None,
) -> Reading:
    key, envelope = pair
    if not envelope.matches(use):
        return "outside"
    if envelope.kind == "grant" and key not in counted:
        return "set-aside"
    opened = _open([pair], terms_of)
    if opened is None:
        return "terms-missing"
    if facts is None:
        return "matches"
    return "covers" if opened[key].covers(facts, use) else "silent"
