"""Why somebody got or did not get what they asked for: how each consent was read at that moment.

Told to the patient alone, from her own verified copy of the ledger: which consents there were when
the answer was ordered, and which had ended by then. What she ended or said later does not count.
"""

from collections.abc import Iterator

from careledger.apps.consent.commands import (
    ConsentDenied,
    ConsentGranted,
    ConsentRevoked,
    PaperConsentAttested,
    PaperConsentEnded,
)
from careledger.apps.consent.queries import Then, explain
from careledger.apps.records.commands import AccessRefused, Disclosed
from careledger.ledger.errors import Malformed
from careledger.mechanisms.conflict import Considered, TermsOf
from careledger.mechanisms.policy import Use
from careledger.mechanisms.terms import OpenedTerms, commit_encoded, stored_terms
from careledger.wallet import names as say
from careledger.wallet.names import Names
from careledger.wallet.story import Line
from careledger.wallet.wallet import Wallet

_GIVEN = ConsentGranted | ConsentDenied | PaperConsentAttested
_ENDED = ConsentRevoked | PaperConsentEnded

_NO_CONSENT_NEEDED = {
    "own-access": "Your own access to your record needs no consent.",
    "break-glass": "In an emergency that a practitioner signs for, no consent is asked.",
    "required-by-law": "A law requires it; no consent is asked.",
    "network-policy": "A policy that the members voted allows it, unless you object.",
}


def why(wallet: Wallet, line: Line) -> tuple[str, ...]:
    """A sentence for each consent; nothing for what no consent decided about.

    As of the place in the log where the answer stands. A refusal may have been decided a block
    earlier; an answer on a grant was held against the ledger once more in that very place.
    """
    event = line.event
    if not isinstance(event, AccessRefused | Disclosed) or event.account is None:
        return ()
    if isinstance(event, Disclosed) and event.basis in _NO_CONSENT_NEEDED:
        return (_NO_CONSENT_NEEDED[event.basis],)
    labels = {held.consent_id: held.label for held in wallet.contents.consents}
    names, then = Names(wallet.view, labels), _then(wallet, line.index)
    read: dict[bytes, Considered] = {}
    for use in _uses(event, event.account):
        for one in explain(wallet.view, use, _terms(wallet), then=then):
            if one.consent_id not in read or one.failing:
                read[one.consent_id] = one
    told = tuple(_sentence(names, one, event) for one in read.values())
    return told or ("You had said nothing about it: without a consent the answer is no.",)


def _uses(event: AccessRefused | Disclosed, account: str) -> Iterator[Use]:
    """What was decided, once for each action."""
    for action in event.actions:
        yield Use(
            custodian=event.custodian,
            account=account,
            requester=event.custodian if event.receiver.startswith("@") else event.receiver,
            purpose=event.purpose,
            action=action,
            time=event.at,
            practitioner=event.practitioner,
            role=event.role,
        )


def _then(wallet: Wallet, index: int) -> Then:
    """What stood before log entry `index`, by the patient's copy of the log."""
    given, ended = set[bytes](), set[bytes]()
    for seen in wallet.copy.seen:
        if seen.index >= index:
            break
        event = wallet.copy.event_of(seen)
        if isinstance(event, _GIVEN):
            given.add(event.consent_id)
        elif isinstance(event, _ENDED):
            ended.add(event.consent_id)
    return Then(given=frozenset(given), ended=frozenset(ended))


def _terms(wallet: Wallet) -> TermsOf:
    """The terms that this wallet holds; of paper, or of another copy of the seed, none."""
    packages = {one.consent_id: one.package for one in wallet.contents.consents}

    def find(consent_id: bytes) -> OpenedTerms | None:
        package = packages.get(consent_id)
        if package is None or package.terms is None or package.salt is None:
            return None
        try:
            return stored_terms(commit_encoded(package.salt, package.terms), package.terms)
        except Malformed:
            return None

    return find


def _sentence(names: Names, one: Considered, event: AccessRefused | Disclosed) -> str:
    told = names.consent(one.consent_id)
    subject = told[:1].upper() + told[1:]
    yes = one.envelope.kind == "grant"
    used = isinstance(event, Disclosed) and event.basis_id == one.consent_id
    match one.reading:
        case "matches" | "covers" | "silent" if used:
            return f"{subject} allowed it."
        case "matches" | "covers" | "silent" if yes and isinstance(event, AccessRefused):
            return (
                f"{subject} fitted by who, why and when; what was asked for lay outside what it "
                f"lets through, its details had not arrived, or something else said no."
            )
        case "matches" | "covers" | "silent":
            verb = "would have allowed it too" if yes else "forbade it, as far as it says"
            return f"{subject} {verb}."
        case "set-aside":
            return f"{subject}, on paper, did not count: you have spoken yourself since."
        case "terms-missing":
            return f"{subject} fitted; its details are not in this wallet, so it cannot say more."
        case "outside":
            verb = "did not allow it" if yes else "did not concern it"
            return f"{subject} {verb}: {_outside(one)}."


def _outside(one: Considered) -> str:
    words = [_DENIAL_OUTSIDE.get(each, each) for each in one.failing]
    if one.envelope.kind == "denial":
        return say.joined(words, "it is about something else", "and")
    return say.dimensions(one.failing)


_DENIAL_OUTSIDE = {
    "custodian": "it is about another organisation's records",
    "grantee": "it names another organisation",
    "person": "it names another person",
    "role": "it names another role",
    "purpose": "it names other purposes",
    "action": "it names other uses",
    "validity": "it did not count at that time",
    "status": "it had ended",
}
