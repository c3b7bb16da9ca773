"""Conditions: their SNOMED CT and ICD-10-CM codes, and how sensitive they are."""

from dataclasses import dataclass

from careledger.fhir.synthetic.content.code import Code, icd10, snomed
from careledger.fhir.synthetic.content.labels import (
    ABUSE,
    HIV_CARE,
    PSYCHIATRY,
    SUBSTANCE_USE,
    Labels,
)


@dataclass(frozen=True, slots=True)
class Condition:
    code: Code
    billing: Code
    labels: Labels = ()


def _condition(
    code: str, display: str, billing: str, billed_as: str, labels: Labels = ()
) -> Condition:
    return Condition(snomed(code, display), icd10(billing, billed_as), labels)


HYPERTENSION = _condition(
    "59621000", "Essential hypertension (disorder)", "I10", "Essential (primary) hypertension"
)
TYPE_2_DIABETES = _condition(
    "44054006",
    "Diabetes mellitus type 2 (disorder)",
    "E11.9",
    "Type 2 diabetes mellitus without complications",
)
HYPERLIPIDEMIA = _condition(
    "55822004", "Hyperlipidemia (disorder)", "E78.5", "Hyperlipidemia, unspecified"
)
ASTHMA = _condition("195967001", "Asthma (disorder)", "J45.909", "Unspecified asthma")
COPD = _condition(
    "13645005",
    "Chronic obstructive lung disease (disorder)",
    "J44.9",
    "Chronic obstructive pulmonary disease, unspecified",
)
HEART_FAILURE = _condition(
    "88805009", "Chronic congestive heart failure (disorder)", "I50.9", "Heart failure, unspecified"
)
ATRIAL_FIBRILLATION = _condition(
    "49436004", "Atrial fibrillation (disorder)", "I48.91", "Unspecified atrial fibrillation"
)
HYPOTHYROIDISM = _condition(
    "40930008", "Hypothyroidism (disorder)", "E03.9", "Hypothyroidism, unspecified"
)
OSTEOARTHRITIS = _condition(
    "239873007", "Osteoarthritis of knee (disorder)", "M17.9", "Osteoarthritis of knee, unspecified"
)
REFLUX = _condition(
    "235595009",
    "Gastroesophageal reflux disease (disorder)",
    "K21.9",
    "Gastro-esophageal reflux disease without esophagitis",
)
MIGRAINE = _condition("37796009", "Migraine (disorder)", "G43.909", "Migraine, unspecified")
RHINITIS = _condition(
    "367498001",
    "Seasonal allergic rhinitis (disorder)",
    "J30.2",
    "Other seasonal allergic rhinitis",
)
ANEMIA = _condition(
    "87522002", "Iron deficiency anemia (disorder)", "D50.9", "Iron deficiency anemia, unspecified"
)
DEPRESSION = _condition(
    "370143000",
    "Major depressive disorder (disorder)",
    "F33.1",
    "Major depressive disorder, recurrent, moderate",
    PSYCHIATRY,
)
ANXIETY = _condition(
    "21897009",
    "Generalized anxiety disorder (disorder)",
    "F41.1",
    "Generalized anxiety disorder",
    PSYCHIATRY,
)
OPIOID_USE = _condition(
    "75544000",
    "Opioid dependence (disorder)",
    "F11.20",
    "Opioid dependence, uncomplicated",
    SUBSTANCE_USE,
)
HIV_INFECTION = _condition(
    "86406008",
    "Human immunodeficiency virus infection (disorder)",
    "B20",
    "Human immunodeficiency virus [HIV] disease",
    HIV_CARE,
)
PARTNER_ABUSE = _condition(
    "706893006",
    "Victim of intimate partner abuse (finding)",
    "Z69.11",
    "Encounter for mental health services for victim of spousal or partner abuse",
    ABUSE,
)
PREGNANCY = _condition(
    "72892002", "Normal pregnancy (finding)", "Z34.90", "Supervision of normal pregnancy"
)
ANKLE_SPRAIN = _condition(
    "44465007", "Sprain of ankle (disorder)", "S93.409A", "Sprain of ankle, initial encounter"
)
FOREARM_FRACTURE = _condition(
    "65966004", "Fracture of forearm (disorder)", "S52.90XA", "Fracture of forearm, initial"
)
LACERATION = _condition(
    "283371005", "Laceration of forearm (disorder)", "S51.819A", "Laceration of forearm, initial"
)
CONCUSSION = _condition(
    "62106007",
    "Concussion with no loss of consciousness (disorder)",
    "S06.0X0A",
    "Concussion without loss of consciousness, initial encounter",
)
BRONCHITIS = _condition(
    "10509002", "Acute bronchitis (disorder)", "J20.9", "Acute bronchitis, unspecified"
)
SINUSITIS = _condition(
    "444814009", "Viral sinusitis (disorder)", "J01.90", "Acute sinusitis, unspecified"
)
STREP_THROAT = _condition(
    "43878008", "Streptococcal sore throat (disorder)", "J02.0", "Streptococcal pharyngitis"
)
OTITIS_MEDIA = _condition(
    "65363002", "Otitis media (disorder)", "H66.90", "Otitis media, unspecified"
)
CYSTITIS = _condition("38822007", "Cystitis (disorder)", "N30.90", "Cystitis without hematuria")
COVID_19 = _condition("840539006", "COVID-19 (disorder)", "U07.1", "COVID-19")
