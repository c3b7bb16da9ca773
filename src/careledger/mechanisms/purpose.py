"""Purposes of use: the HL7 v3 codes a request must state, and which code includes which.

Source: HL7 v3 ActReason, value set PurposeOfUse (OID 2.16.840.1.113883.1.11.20448). A purpose is
never defaulted: a request without one is not a `Use`.
"""

from collections.abc import Iterable
from typing import Final, Literal, get_args

Purpose = Literal[
    "TREAT",
    "CLINTRL",
    "COC",
    "ETREAT",
    "BTG",
    "ERTREAT",
    "POPHLTH",
    "HPAYMT",
    "CLMATTCH",
    "COVAUTH",
    "COVERAGE",
    "ELIGDTRM",
    "ELIGVER",
    "ENROLLM",
    "REMITADV",
    "HOPERAT",
    "CAREMGT",
    "DONAT",
    "FRAUD",
    "GOV",
    "HACCRED",
    "HCOMPL",
    "HDECD",
    "HDIRECT",
    "HDM",
    "HLEGAL",
    "HOUTCOMS",
    "HPRGRP",
    "HQUALIMP",
    "HSYSADMIN",
    "HTEST",
    "LABELING",
    "MEMADMIN",
    "METAMGT",
    "PATADMIN",
    "PATSFTY",
    "PERFMSR",
    "RECORDMGT",
    "TRAIN",
    "HRESCH",
    "BIORCH",
    "CLINTRCH",
    "CLINTRCHNPC",
    "CLINTRCHPC",
    "PRECLINTRCH",
    "DSRCH",
    "POARCH",
    "TRANSRCH",
    "HMARKT",
    "PATRQT",
    "FAMRQT",
    "PWATRNY",
    "SUPNWK",
    "PUBHLTH",
    "DISASTER",
    "THREAT",
]
"""HL7 v3 PurposeOfUse."""

PURPOSES: Final[tuple[Purpose, ...]] = get_args(Purpose)

SYSTEM: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"

_NARROWER: Final[dict[Purpose, tuple[Purpose, ...]]] = {
    "TREAT": ("CLINTRL", "COC", "ETREAT", "POPHLTH"),
    "ETREAT": ("BTG", "ERTREAT"),
    "HPAYMT": ("CLMATTCH", "COVAUTH", "COVERAGE", "REMITADV"),
    "COVERAGE": ("ELIGDTRM", "ELIGVER", "ENROLLM"),
    "HOPERAT": (
        "CAREMGT",
        "DONAT",
        "FRAUD",
        "GOV",
        "HACCRED",
        "HCOMPL",
        "HDECD",
        "HDIRECT",
        "HDM",
        "HLEGAL",
        "HOUTCOMS",
        "HPRGRP",
        "HQUALIMP",
        "HSYSADMIN",
        "HTEST",
        "LABELING",
        "MEMADMIN",
        "METAMGT",
        "PATADMIN",
        "PATSFTY",
        "PERFMSR",
        "RECORDMGT",
        "TRAIN",
    ),
    "HRESCH": ("BIORCH", "CLINTRCH", "DSRCH", "POARCH", "TRANSRCH"),
    "CLINTRCH": ("CLINTRCHNPC", "CLINTRCHPC", "PRECLINTRCH"),
    "PATRQT": ("FAMRQT", "PWATRNY", "SUPNWK"),
    "PUBHLTH": ("DISASTER", "THREAT"),
}


def _broader(purpose: Purpose) -> frozenset[Purpose]:
    found, frontier = {purpose}, [purpose]
    while frontier:
        code = frontier.pop()
        wider = [parent for parent, children in _NARROWER.items() if code in children]
        found.update(wider)
        frontier += wider
    return frozenset(found)


BROADER: Final[dict[Purpose, frozenset[Purpose]]] = {code: _broader(code) for code in PURPOSES}
"""Each purpose with every code that includes it, itself too."""


def includes(allowed: Iterable[Purpose], purpose: Purpose) -> bool:
    """Whether one of `allowed` is `purpose`, or a broader code that includes it."""
    return not BROADER[purpose].isdisjoint(allowed)
