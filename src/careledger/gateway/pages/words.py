"""Scopes and purposes in words that a patient or a nurse would use."""

from collections.abc import Iterable
from re import compile as regex
from typing import Final

from careledger.gateway.auth_restrictions import parse_restriction
from careledger.gateway.auth_scopes import ANY_TYPE, Scope
from careledger.mechanisms.purpose import Purpose

PURPOSES: Final[dict[Purpose, tuple[str, str]]] = {
    "TREAT": ("Treatment", "I care for this patient"),
    "ETREAT": ("Emergency treatment", "I care for this patient in an emergency"),
    "COC": ("Coordination of care", "I arrange who cares for this patient"),
    "HPAYMT": ("Payment", "I bill or pay for care"),
    "HOPERAT": ("Operations", "I run the organisation"),
    "HQUALIMP": ("Quality improvement", "I review how well we care"),
}
"""What a member of staff may choose from: name and explanation."""

EXTRAS: Final[dict[str, str]] = {
    "openid": "know that it is you",
    "fhirUser": "know your entry in the directory",
    "profile": "know your entry in the directory",
    "offline_access": "keep this access for 90 days, also while you are away",
    "online_access": "keep this access for the rest of your shift (12 hours)",
}

_TYPES: Final = {
    ANY_TYPE: "everything",
    "AllergyIntolerance": "allergies",
    "CarePlan": "care plans",
    "CareTeam": "care teams",
    "Condition": "conditions",
    "Coverage": "insurance",
    "DiagnosticReport": "reports",
    "DocumentReference": "documents",
    "Encounter": "visits",
    "Immunization": "immunizations",
    "MedicationRequest": "prescriptions",
    "Observation": "measurements and findings",
    "Patient": "personal details",
    "Procedure": "procedures",
}
"""Types that patients know under another name."""

_VERBS: Final = {"r": "read", "s": "search", "c": "add", "u": "change", "d": "delete"}
_WORD: Final = regex(r"(?<=[a-z])(?=[A-Z])")


def scope_in_words(scope: Scope, *, own: bool = False) -> str:
    """What a scope lets an application do: `read and search visits`; `own` to patients."""
    verbs = and_(_VERBS[letter] for letter in "rscud" if letter in scope.interactions)
    type_ = _TYPES.get(scope.type) or _WORD.sub(" ", scope.type)
    only = [
        value.rpartition("|")[2] or value
        for _, values in parse_restriction(scope.restriction) or ()
        for value in values
    ]
    about = "about you" if own else "about this patient"
    whose = about if scope.context == "patient" else "that you may see"
    return f"{verbs} {type_} {whose}" + (f" ({', '.join(only)} only)" if only else "")


def and_(words: Iterable[str]) -> str:
    """`read, search and add`."""
    found = list(words)
    return " and ".join(filter(None, (", ".join(found[:-1]), found[-1]))) if found else ""


def purpose_in_words(purpose: str) -> str:
    """The name of a purpose."""
    names: dict[str, str] = {code: name for code, (name, _) in PURPOSES.items()}
    return "Your own request" if purpose == "PATRQT" else names.get(purpose, purpose)
