"""Local access: a custodian's own people reading what it holds itself.

45 CFR 164.506(c)(1) lets a custodian use its records for treatment, payment and operations; no
grant is needed. A denial that names the custodian itself stops it, as far as its terms say. The
reads are anchored in batches instead of one by one.
"""

from collections.abc import Iterable
from typing import Final

from careledger.mechanisms.conflict import Consents, TermsOf
from careledger.mechanisms.envelope import Envelope
from careledger.mechanisms.policy import Basis, Denied, Permit, Use, decided
from careledger.mechanisms.purpose import Purpose, includes
from careledger.mechanisms.terms import WHOLE_DENIAL, WHOLE_RECORD, Terms

OWN_PURPOSES: Final[tuple[Purpose, ...]] = ("TREAT", "HPAYMT", "HOPERAT")
"""Treatment, payment, health care operations, and every purpose that they include."""


def workforce(use: Use, consents: Consents, terms_of: TermsOf) -> Permit | Denied:
    """Decide a use by the custodian's own people."""
    if use.requester != use.custodian:
        return Denied(use=use, dimensions=("grantee",), rule="workforce")
    if not includes(OWN_PURPOSES, use.purpose):
        return Denied(use=use, dimensions=("purpose",), rule="workforce")
    denials: list[Terms] = []
    for key, envelope in _naming_itself(use, consents):
        found = _terms(key, envelope, terms_of)
        if found is None:
            return Denied(use=use, dimensions=("terms",), rule="terms-missing")
        if found == WHOLE_DENIAL:
            return Denied(use=use, dimensions=("denial",), rule="denial")
        denials.append(found)
    return decided(
        use,
        Basis(name="workforce"),
        "workforce",
        until=None,
        grant=WHOLE_RECORD,
        denials=tuple(denials),
    )


def _naming_itself(use: Use, consents: Consents) -> Iterable[tuple[bytes, Envelope]]:
    """The denials that reach this use and name the custodian; "anyone" means anyone else."""
    return (
        (key, envelope)
        for key, envelope in consents
        if envelope.kind == "denial" and envelope.grantee == use.custodian and envelope.matches(use)
    )


def _terms(key: bytes, envelope: Envelope, terms_of: TermsOf) -> Terms | None:
    if envelope.terms is None:
        return WHOLE_DENIAL
    opened = terms_of(key)
    if opened is None or opened.commitment != envelope.terms:
        return None
    return opened.terms if opened.terms.base.effect == "deny" else None
