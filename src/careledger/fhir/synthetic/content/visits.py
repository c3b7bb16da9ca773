"""Kinds of visit: encounter class and type, length, and what is billed for it."""

from dataclasses import dataclass

from careledger.fhir.synthetic.content.code import ACT_CODE, Code, hcpcs, snomed

AMBULATORY = Code(ACT_CODE, "AMB", "ambulatory")
EMERGENCY_CLASS = Code(ACT_CODE, "EMER", "emergency")
INPATIENT = Code(ACT_CODE, "IMP", "inpatient encounter")
VIRTUAL = Code(ACT_CODE, "VR", "virtual")


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitKind:
    encounter_class: Code
    type: Code
    minutes: int
    billing: Code
    price_cents: int
    any_hour: bool = False
    vital_signs: bool = True


CLINIC = hcpcs("G0463", "Hospital outpatient clinic visit for assessment and management")
WELLNESS = VisitKind(
    encounter_class=AMBULATORY,
    type=snomed("162673000", "General examination of patient (procedure)"),
    minutes=30,
    billing=hcpcs("G0439", "Annual wellness visit, subsequent visit"),
    price_cents=19500,
)
WELL_CHILD = VisitKind(
    encounter_class=AMBULATORY,
    type=snomed("410620009", "Well child visit (procedure)"),
    minutes=25,
    billing=CLINIC,
    price_cents=15800,
)
FIRST_VISIT = VisitKind(
    encounter_class=AMBULATORY,
    type=snomed("185347001", "Encounter for problem (procedure)"),
    minutes=40,
    billing=CLINIC,
    price_cents=23500,
)
FOLLOW_UP = VisitKind(
    encounter_class=AMBULATORY,
    type=snomed("390906007", "Follow-up encounter (procedure)"),
    minutes=20,
    billing=CLINIC,
    price_cents=13200,
)
SYMPTOM = VisitKind(
    encounter_class=AMBULATORY,
    type=snomed("185345009", "Encounter for symptom (procedure)"),
    minutes=15,
    billing=CLINIC,
    price_cents=11800,
)
TELEHEALTH = VisitKind(
    encounter_class=VIRTUAL,
    type=snomed("390906007", "Follow-up encounter (procedure)"),
    minutes=25,
    billing=hcpcs("G2012", "Brief communication technology-based service"),
    price_cents=9400,
    vital_signs=False,
)
PRENATAL = VisitKind(
    encounter_class=AMBULATORY,
    type=snomed("424619006", "Prenatal visit"),
    minutes=25,
    billing=CLINIC,
    price_cents=14500,
)
EMERGENCY_VISIT = VisitKind(
    encounter_class=EMERGENCY_CLASS,
    type=snomed("50849002", "Emergency room admission (procedure)"),
    minutes=190,
    billing=hcpcs("G0382", "Level 3 hospital emergency department visit, type B"),
    price_cents=98500,
    any_hour=True,
)
ADMISSION = VisitKind(
    encounter_class=INPATIENT,
    type=snomed("32485007", "Hospital admission"),
    minutes=3 * 24 * 60,
    billing=snomed("32485007", "Hospital admission"),
    price_cents=1245000,
    any_hour=True,
)
VACCINATION = VisitKind(
    encounter_class=AMBULATORY,
    type=snomed("185349003", "Encounter for check up (procedure)"),
    minutes=10,
    billing=hcpcs("G0008", "Administration of influenza virus vaccine"),
    price_cents=3200,
    vital_signs=False,
)
