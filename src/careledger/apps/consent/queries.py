"""Questions others may ask of consent. The rule they answer by is spec/consent-decision.md."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from msgspec.structs import replace

from careledger.apps.consent.state import CONSENTS, PAPERS
from careledger.ledger.membership import SIGNERS, SignerRow, may_act_in_emergency
from careledger.ledger.state import View, decode_row
from careledger.mechanisms.conflict import (
    Consents,
    Considered,
    TermsOf,
    consider,
    matching,
    resolve,
)
from careledger.mechanisms.emergency import VerifiedEmergency, break_glass
from careledger.mechanisms.envelope import Envelope, stored_envelope
from careledger.mechanisms.policy import Denied, Permit, Use, own_access
from careledger.mechanisms.terms import Facts
from careledger.mechanisms.workforce import workforce

MAX_CONSENTS: Final = 1_000
"""Ever said by one account: each decision reads them all, and none is ever deleted."""

KEPT_FOR_DENIALS: Final = 100
"""How many of them no grant takes."""

MAX_PAPERS: Final = 250
"""Likewise on paper; counted apart, for it is not the patient who attests them."""


def decide(
    view: View, use: Use, terms_of: TermsOf, consent_id: bytes | None = None
) -> Permit | Denied:
    """Decide `use`, on `consent_id` if the request cites one, else on the first that serves.

    `terms_of` gives the terms that the custodian holds under a consent id. The permit covers what
    that one consent covers; `permits` has one for each consent.
    """
    answer = permits(view, use, terms_of)
    if isinstance(answer, Denied):
        return answer
    for permit in answer:
        if consent_id is None or permit.basis.id == consent_id:
            return permit
    return Denied(use=use, dimensions=("consent",), rule="envelope")


def decide_resource(view: View, use: Use, terms_of: TermsOf, facts: Facts) -> Permit | Denied:
    """Decide `use` of one resource: the permit covers it."""
    answer = permits(view, use, terms_of)
    if isinstance(answer, Denied):
        return answer
    for permit in answer:
        if permit.covers(facts).allowed:
            return permit
    return Denied(use=use, dimensions=("terms",), rule="terms")


def permits(view: View, use: Use, terms_of: TermsOf) -> tuple[Permit, ...] | Denied:
    """A permit for each grant that may serve as basis, or the refusal."""
    standing = _standing(view, use)
    return standing if standing is not None else resolve(use, consents(view, use.account), terms_of)


def is_denied(view: View, use: Use) -> bool:
    """Whether a denial that counts reaches the use, whatever its terms say."""
    return bool(matching(use, consents(view, use.account))[1])


def decide_own_access(view: View, use: Use, signer: str) -> Permit | Denied:
    """Decide a patient's access to her own records; `signer` is the account that signed for it."""
    account = _signer(view, use.account)
    if account is None or account.payer != use.custodian:
        return Denied(use=use, dimensions=("custodian",), rule="own-access")
    return own_access(use, signer)


def decide_break_glass(view: View, use: Use, verified: VerifiedEmergency) -> Permit | Denied:
    """Decide a use in an emergency: it needs no consent, but a practitioner in good standing."""
    standing = _standing(view, use, emergency=True)
    return standing if standing is not None else break_glass(use, verified)


def decide_workforce(view: View, use: Use, terms_of: TermsOf) -> Permit | Denied:
    """Decide a use by the custodian's own people, which needs no grant."""
    standing = _standing(view, use)
    if standing is not None:
        return standing
    return workforce(use, consents(view, use.account), terms_of)


def basis_holds(view: View, use: Use, consent_id: bytes) -> bool:
    """Whether the ledger alone lets `consent_id` be the basis of `use`.

    That is all that rules can see: the envelope matches, counts, and no denial of the whole
    record matches. What the terms say, only custodian and patient know.
    """
    if _standing(view, use) is not None:
        return False
    grants, denials = matching(use, consents(view, use.account))
    if any(denial.terms is None for _, denial in denials):
        return False
    return any(key == consent_id for key, _ in grants)


@dataclass(frozen=True, kw_only=True, slots=True)
class Then:
    """Which consents there were at an earlier moment, and which of them had been ended."""

    given: frozenset[bytes]
    ended: frozenset[bytes]

    def of(self, consents: Consents) -> Consents:
        """Today's `consents` as they were: only an end comes to what was once said."""
        return [
            (key, envelope if key in self.ended else replace(envelope, ended=None))
            for key, envelope in consents
            if key in self.given
        ]


def explain(
    view: View,
    use: Use,
    terms_of: TermsOf,
    facts: Facts | None = None,
    then: Then | None = None,
) -> tuple[Considered, ...]:
    """How each consent is read, or was `then`. For the patient, never for whoever asked."""
    known = consents(view, use.account)
    return consider(use, known if then is None else then.of(known), terms_of, facts)


def consents(view: View, account: str) -> Consents:
    """Every consent ever given under `account`, ended ones too, in the order of their ids."""
    prefix = CONSENTS.prefix(account)
    return [(CONSENTS.last(at, prefix), stored_envelope(row)) for at, row in view.raw_scan(prefix)]


def has_room(view: View, account: str, *, on_paper: bool, denial: bool) -> bool:
    """Whether one more consent may be given under `account`."""
    papers = sum(1 for _ in view.raw_scan(PAPERS.prefix(account)))
    if on_paper:
        return papers < MAX_PAPERS
    own = sum(1 for _ in view.raw_scan(CONSENTS.prefix(account))) - papers
    return own < (MAX_CONSENTS if denial else MAX_CONSENTS - KEPT_FOR_DENIALS)


def consent(view: View, account: str, consent_id: bytes) -> Envelope | None:
    """One consent, ended or not, if there is one."""
    return view.get(CONSENTS, account, consent_id)


def history(view: View, account: str) -> Consents:
    """Every consent ever given under `account`, oldest first."""
    return sorted(consents(view, account), key=lambda pair: (pair[1].given, pair[0]))


def _standing(view: View, use: Use, *, emergency: bool = False) -> Denied | None:
    """Whoever is suspended may see nothing, whatever was granted; break-glass stays 72 hours."""
    member = _signer(view, use.requester)
    stands = member is not None and (
        may_act_in_emergency(member, use.time) if emergency else member.status == "active"
    )
    if member is None or member.kind != "member" or not stands:
        return Denied(use=use, dimensions=("grantee",), rule="envelope")
    if use.practitioner is not None:
        person = _signer(view, use.practitioner)
        if person is None or person.status != "active" or person.payer != use.requester:
            return Denied(use=use, dimensions=("person",), rule="envelope")
    return None


def _signer(view: View, name: str) -> SignerRow | None:
    row = view.raw(_signer_key(name))
    return None if row is None else _decode_signer(row)


_signer_key = lru_cache(maxsize=4_096)(SIGNERS.at)


@lru_cache(maxsize=4_096)
def _decode_signer(row: bytes) -> SignerRow:
    return decode_row(row, SignerRow)
