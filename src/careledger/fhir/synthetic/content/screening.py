"""What a check-up brings by age: panels and procedures, and allergies people may have."""

from dataclasses import dataclass
from typing import Literal

from careledger.fhir.synthetic.content import measures as m
from careledger.fhir.synthetic.content import procedures as p
from careledger.fhir.synthetic.content.code import Code, snomed
from careledger.fhir.synthetic.content.course import Sex

WELL_CHILD_MONTHS = (0, 1, 2, 4, 6, 9, 12, 15, 18, 24, 30, 36)  # then once a year


@dataclass(frozen=True, slots=True)
class PanelScreening:
    panel: m.Panel
    ages: tuple[int, int]
    every_years: int


@dataclass(frozen=True, slots=True)
class ProcedureScreening:
    procedure: p.Procedure
    ages: tuple[int, int]
    every_years: int
    sex: Sex | None = None


PANELS = (
    PanelScreening(m.LIPIDS, (35, 90), 3),
    PanelScreening(m.BASIC_METABOLIC, (50, 95), 3),
    PanelScreening(m.BLOOD_COUNT, (18, 95), 4),
)
PROCEDURES = (
    ProcedureScreening(p.DEPRESSION_SCREENING, (12, 90), 1),
    ProcedureScreening(p.MAMMOGRAPHY, (40, 74), 2, "female"),
    ProcedureScreening(p.CERVICAL_SMEAR, (21, 65), 3, "female"),
    ProcedureScreening(p.COLONOSCOPY, (45, 75), 10),
)

NEVER_SMOKER = snomed("266919005", "Never smoked tobacco (finding)")
FORMER_SMOKER = snomed("8517006", "Ex-smoker (finding)")
SMOKER = snomed("449868002", "Smokes tobacco daily (finding)")
POSITIVE = snomed("10828004", "Positive (qualifier value)")
NEGATIVE = snomed("260385009", "Negative (qualifier value)")


@dataclass(frozen=True, slots=True)
class Allergy:
    substance: Code
    category: Literal["food", "medication", "environment", "biologic"]
    criticality: Literal["low", "high"]
    reaction: Code
    severity: Literal["mild", "moderate", "severe"]


HIVES = snomed("247472004", "Wheal (finding)")
ANAPHYLAXIS = snomed("39579001", "Anaphylaxis (disorder)")
RASH = snomed("271807003", "Eruption of skin (disorder)")
ALLERGIES = (
    Allergy(snomed("764146007", "Penicillin (substance)"), "medication", "high", RASH, "moderate"),
    Allergy(snomed("762952008", "Peanut (substance)"), "food", "high", ANAPHYLAXIS, "severe"),
    Allergy(snomed("102263004", "Eggs (edible) (substance)"), "food", "low", HIVES, "mild"),
    Allergy(snomed("111088007", "Latex (substance)"), "environment", "low", RASH, "moderate"),
    Allergy(snomed("256259004", "Pollen (substance)"), "environment", "low", HIVES, "mild"),
)
