"""Codes of published terminologies, and short constructors for the systems used here."""

from dataclasses import dataclass

SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
CVX = "http://hl7.org/fhir/sid/cvx"
ICD10 = "http://hl7.org/fhir/sid/icd-10-cm"
HCPCS = "https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
UCUM = "http://unitsofmeasure.org"
NPI = "http://hl7.org/fhir/sid/us-npi"
ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem/"
NUCC = "http://nucc.org/provider-taxonomy"


@dataclass(frozen=True, slots=True)
class Code:
    system: str
    code: str
    display: str


def snomed(code: str, display: str) -> Code:
    """SNOMED CT."""
    return Code(SNOMED, code, display)


def loinc(code: str, display: str) -> Code:
    """LOINC."""
    return Code(LOINC, code, display)


def rxnorm(code: str, display: str) -> Code:
    """RxNorm."""
    return Code(RXNORM, code, display)


def cvx(code: str, display: str) -> Code:
    """CVX, the vaccines."""
    return Code(CVX, code, display)


def icd10(code: str, display: str) -> Code:
    """ICD-10-CM."""
    return Code(ICD10, code, display)


def hcpcs(code: str, display: str) -> Code:
    """HCPCS level II."""
    return Code(HCPCS, code, display)


def hl7(name: str, code: str, display: str) -> Code:
    """A code of an HL7 code system, named by the last part of its address."""
    return Code(TERMINOLOGY + name, code, display)
