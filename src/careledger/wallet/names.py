"""Names and words for people: ids, codes and days on the ledger as a patient would say them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from careledger.apps.governance.queries import member
from careledger.apps.identity.queries import account
from careledger.ledger.record import AccountId, MemberId
from careledger.ledger.state import View

_PURPOSES: Final[Mapping[str, str]] = {
    "TREAT": "treatment",
    "ETREAT": "emergency treatment",
    "BTG": "an emergency",
    "COC": "coordination of care",
    "HPAYMT": "payment",
    "COVERAGE": "coverage under a plan",
    "CLMATTCH": "a claim",
    "HOPERAT": "running the organisation",
    "HRESCH": "research",
    "CLINTRCH": "a clinical trial",
    "HMARKT": "marketing",
    "PATRQT": "your own request",
    "FAMRQT": "a request of your family",
    "PUBHLTH": "public health",
}
_ACTIONS: Final[Mapping[str, str]] = {
    "read": "read",
    "search": "search",
    "export": "take a copy of",
}
_DIMENSIONS: Final[Mapping[str, str]] = {
    "custodian": "your consent is about another organisation's records",
    "grantee": "you did not allow that organisation",
    "person": "you did not allow that person",
    "role": "you did not allow that role",
    "purpose": "you did not allow that purpose",
    "action": "you did not allow that use",
    "validity": "your consent does not count at that time",
    "status": "your consent has ended",
    "terms": "it lies outside what you allowed",
    "denial": "you said no",
    "consent": "there is no consent of yours",
}
_REASONS: Final[Mapping[str, str]] = {
    "unconscious": "you were unconscious",
    "cannot-consent": "you could not be asked",
    "threat-to-life": "your life was in danger",
    "threat-to-others": "others were in danger",
    "disaster": "of a disaster",
}


@dataclass(frozen=True)
class Names:
    """Names as the ledger has them; `labels` are the patient's own words for her consents."""

    view: View
    labels: Mapping[bytes, str]

    def of(self, id_: str) -> str:
        """A member or practitioner by name; the patient herself is `you`."""
        if not id_.startswith("@"):
            found = member(self.view, MemberId(id_))
            return id_ if found is None else found.name
        person = account(self.view, AccountId(id_))
        if person is None or person.kind == "patient":
            return "you"
        return person.name or id_

    def asker(self, receiver: str, practitioner: str | None, role: str | None) -> str:
        """Who asked: `Dr Cho (clinician) of Lakeview Clinic`."""
        if receiver.startswith("@"):
            return self.of(receiver)
        if practitioner is None:
            return self.of(receiver) + (f" ({role})" if role else "")
        return f"{self.of(practitioner)}{f' ({role})' if role else ''} of {self.of(receiver)}"

    def consent(self, consent_id: bytes) -> str:
        """A consent by its label, or by how its id begins."""
        label, short = self.labels.get(consent_id, ""), consent_id.hex()[:8]
        return f"your consent {f'“{label}” ' if label else ''}({short})"


def purposes(codes: Sequence[str]) -> str:
    """For what: `treatment or payment`."""
    return joined([_PURPOSES.get(code, f"the purpose {code}") for code in codes], "any purpose")


def actions(names: Sequence[str]) -> str:
    """What was done, or may be: `read or search`."""
    return joined([_ACTIONS.get(name, name) for name in names], "do anything with")


def dimensions(names: Sequence[str]) -> str:
    """Why not."""
    return joined([_DIMENSIONS.get(name, name) for name in names], "no reason given", "and")


def reason(code: str) -> str:
    """Why somebody signed for an emergency."""
    return _REASONS.get(code, code)


def joined(parts: Sequence[str], nothing: str, word: str = "or") -> str:
    """`a`, `a or b`, `a, b or c`."""
    if not parts:
        return nothing
    *before, last = parts
    return f"{', '.join(before)} {word} {last}" if before else last
