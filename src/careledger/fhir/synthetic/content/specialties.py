"""Medical specialties of a hospital, and how many practitioners of each it has."""

from dataclasses import dataclass

from careledger.fhir.synthetic.content.code import NUCC, Code


@dataclass(frozen=True, slots=True)
class Specialty:
    code: Code
    practitioners: int


def _specialty(code: str, display: str, practitioners: int) -> Specialty:
    return Specialty(Code(NUCC, code, display), practitioners)


INTERNAL = _specialty("207R00000X", "Internal Medicine Physician", 3)
PEDIATRICS = _specialty("208000000X", "Pediatrics Physician", 2)
EMERGENCY = _specialty("207P00000X", "Emergency Medicine Physician", 2)
ENDOCRINOLOGY = _specialty("207RE0101X", "Endocrinology, Diabetes & Metabolism Physician", 1)
CARDIOLOGY = _specialty("207RC0000X", "Cardiovascular Disease Physician", 1)
PULMONOLOGY = _specialty("207RP1001X", "Pulmonary Disease Physician", 1)
PSYCHIATRY = _specialty("2084P0800X", "Psychiatry Physician", 2)
ADDICTION = _specialty("2084A0401X", "Addiction Medicine (Psychiatry & Neurology) Physician", 1)
INFECTIOUS = _specialty("207RI0200X", "Infectious Disease Physician", 1)
OBSTETRICS = _specialty("207V00000X", "Obstetrics & Gynecology Physician", 1)
ORTHOPEDICS = _specialty("207X00000X", "Orthopaedic Surgery Physician", 1)
PHARMACIST = _specialty("183500000X", "Pharmacist", 2)

HOSPITAL = (
    INTERNAL, PEDIATRICS, EMERGENCY, ENDOCRINOLOGY, CARDIOLOGY, PULMONOLOGY, PSYCHIATRY,
    ADDICTION, INFECTIOUS, OBSTETRICS, ORTHOPEDICS,
)  # fmt: skip
PHARMACY = (PHARMACIST,)
