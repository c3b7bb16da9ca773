"""Measurements: LOINC code, UCUM unit, reference range, and how people and visits differ."""

from dataclasses import dataclass

from careledger.fhir.synthetic.content.code import Code, hl7, loinc

VITAL_SIGNS = hl7("observation-category", "vital-signs", "Vital Signs")
LABORATORY = hl7("observation-category", "laboratory", "Laboratory")
SURVEY = hl7("observation-category", "survey", "Survey")
SOCIAL_HISTORY = hl7("observation-category", "social-history", "Social History")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One quantity.

    `mean` and `spread` say how healthy adults differ from each other, `noise` how one person
    differs from visit to visit. Values stay inside `least` and `most`, and are written with
    `places` decimals.
    """

    code: Code
    unit: str
    ucum: str
    category: Code = LABORATORY
    mean: float = 0.0
    spread: float = 0.0
    noise: float = 0.0
    low: float | None = None
    high: float | None = None
    least: float = 0.0
    most: float = 1_000_000.0
    places: int = 0


@dataclass(frozen=True, slots=True)
class Panel:
    """Measurements ordered and reported together."""

    code: Code
    members: tuple[Measure, ...]
    price_cents: int


def _vital(  # noqa: PLR0913, PLR0917  one row of a table
    code: str, display: str, unit: str, ucum: str, mean: float, spread: float, noise: float,
    low: float | None, high: float | None, least: float, most: float, places: int = 0,
) -> Measure:  # fmt: skip
    return Measure(
        code=loinc(code, display), unit=unit, ucum=ucum, category=VITAL_SIGNS, mean=mean,
        spread=spread, noise=noise, low=low, high=high, least=least, most=most, places=places,
    )  # fmt: skip


def _lab(  # noqa: PLR0913, PLR0917  one row of a table
    code: str, display: str, unit: str, mean: float, spread: float, noise: float,
    low: float | None, high: float | None, least: float, most: float, places: int = 0,
) -> Measure:  # fmt: skip
    return Measure(
        code=loinc(code, display), unit=unit, ucum=unit, mean=mean, spread=spread, noise=noise,
        low=low, high=high, least=least, most=most, places=places,
    )  # fmt: skip


def _score(code: str, display: str, mean: float, most: float) -> Measure:
    return Measure(
        code=loinc(code, display), unit="{score}", ucum="{score}", category=SURVEY, mean=mean,
        spread=1.2, noise=1.0, least=0, most=most,
    )  # fmt: skip


HEIGHT = _vital("8302-2", "Body height", "cm", "cm", 169, 6.5, 0.2, None, None, 40, 205, 1)
WEIGHT = _vital("29463-7", "Body weight", "kg", "kg", 0, 0, 0, None, None, 2, 220, 1)
BMI = _vital(
    "39156-5",
    "Body mass index (BMI) [Ratio]",
    "kg/m2",
    "kg/m2",
    25.8,
    3.6,
    0.3,
    18.5,
    25,
    11,
    55,
    1,
)
SYSTOLIC = _vital(
    "8480-6", "Systolic blood pressure", "mmHg", "mm[Hg]", 117, 7, 5, 90, 130, 60, 230
)
DIASTOLIC = _vital(
    "8462-4", "Diastolic blood pressure", "mmHg", "mm[Hg]", 75, 5, 4, 60, 85, 35, 140
)
HEART_RATE = _vital("8867-4", "Heart rate", "/min", "/min", 72, 7, 5, 60, 100, 40, 190)
RESPIRATION = _vital("9279-1", "Respiratory rate", "/min", "/min", 15, 1.2, 1, 12, 20, 8, 60)
TEMPERATURE = _vital(
    "8310-5", "Body temperature", "Cel", "Cel", 36.8, 0.15, 0.2, 36.1, 37.5, 35, 41.5, 1
)
OXYGEN = _vital(
    "2708-6", "Oxygen saturation in Arterial blood", "%", "%", 98, 0.6, 0.7, 94, 100, 70, 100
)
PEAK_FLOW = _vital(
    "33452-4", "Maximum expiratory gas flow Respiratory system airway by Peak flow meter",
    "L/min", "L/min", 455, 45, 18, 320, None, 60, 800,
)  # fmt: skip
FETAL_HEART_RATE = _vital(
    "55283-6", "Fetal Heart rate", "/min", "/min", 143, 0, 7, 110, 160, 95, 190
)
PAIN = Measure(
    code=loinc("72514-3", "Pain severity - 0-10 verbal numeric rating [Score] - Reported"),
    unit="{score}", ucum="{score}", category=VITAL_SIGNS, mean=0.6, spread=0.5, noise=0.8, most=10,
)  # fmt: skip

HBA1C = _lab(
    "4548-4", "Hemoglobin A1c/Hemoglobin.total in Blood", "%", 5.3, 0.2, 0.12, 4.0, 5.7, 3.8, 15, 2
)
GLUCOSE = _lab(
    "2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL", 90, 5, 6, 70, 99, 45, 480
)
UREA = _lab(
    "3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma", "mg/dL", 14, 2, 1.6, 7, 20, 3, 90
)
CREATININE = _lab(
    "2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL",
    0, 0, 0.03, 0.59, 1.35, 0.2, 9, 2,
)  # fmt: skip
FILTRATION = _lab(
    "33914-3", "Glomerular filtration rate/1.73 sq M.predicted", "mL/min/{1.73_m2}",
    120, 7, 3, 60, None, 8, 140,
)  # fmt: skip
SODIUM = _lab(
    "2951-2",
    "Sodium [Moles/volume] in Serum or Plasma",
    "mmol/L",
    139,
    1.2,
    1.3,
    136,
    145,
    118,
    156,
)
POTASSIUM = _lab(
    "2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L",
    4.2, 0.2, 0.2, 3.5, 5.1, 2.5, 6.8, 1,
)  # fmt: skip
CHLORIDE = _lab(
    "2075-0",
    "Chloride [Moles/volume] in Serum or Plasma",
    "mmol/L",
    102,
    1.4,
    1.2,
    98,
    107,
    85,
    120,
)
CARBON_DIOXIDE = _lab(
    "2028-9", "Carbon dioxide, total [Moles/volume] in Serum or Plasma", "mmol/L",
    25, 1.1, 1, 22, 29, 10, 40,
)  # fmt: skip
CALCIUM = _lab(
    "17861-6", "Calcium [Mass/volume] in Serum or Plasma", "mg/dL",
    9.4, 0.2, 0.15, 8.5, 10.2, 6.5, 13, 1,
)  # fmt: skip
CHOLESTEROL = _lab(
    "2093-3", "Cholesterol [Mass/volume] in Serum or Plasma", "mg/dL", 0, 0, 0, None, 200, 80, 420
)
TRIGLYCERIDES = _lab(
    "2571-8", "Triglyceride [Mass/volume] in Serum or Plasma", "mg/dL",
    112, 24, 14, None, 150, 35, 700,
)  # fmt: skip
LDL = _lab(
    "13457-7", "Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation", "mg/dL",
    104, 16, 7, None, 130, 25, 300,
)  # fmt: skip
HDL = _lab(
    "2085-9", "Cholesterol in HDL [Mass/volume] in Serum or Plasma", "mg/dL",
    54, 8, 3, 40, None, 20, 110,
)  # fmt: skip
LEUKOCYTES = _lab(
    "6690-2", "Leukocytes [#/volume] in Blood by Automated count", "10*3/uL",
    6.9, 1, 0.7, 4.5, 11, 1.5, 32, 1,
)  # fmt: skip
ERYTHROCYTES = _lab(
    "789-8", "Erythrocytes [#/volume] in Blood by Automated count", "10*6/uL",
    0, 0, 0.04, 4.0, 5.9, 2, 7.5, 2,
)  # fmt: skip
HEMOGLOBIN = _lab(
    "718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", 14.1, 0.8, 0.3, 12, 17, 6, 19.5, 1
)
HEMATOCRIT = _lab(
    "4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count", "%",
    0, 0, 0.3, 36, 50, 18, 60, 1,
)  # fmt: skip
PLATELETS = _lab(
    "777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL",
    255, 36, 15, 150, 400, 30, 900,
)  # fmt: skip
FERRITIN = _lab(
    "2276-4", "Ferritin [Mass/volume] in Serum or Plasma", "ng/mL", 82, 25, 8, 15, 200, 3, 900
)
THYROTROPIN = _lab(
    "3016-3", "Thyrotropin [Units/volume] in Serum or Plasma", "m[IU]/L",
    1.9, 0.5, 0.25, 0.4, 4.5, 0.05, 60, 2,
)  # fmt: skip
ALBUMIN_CREATININE = _lab(
    "9318-7", "Albumin/Creatinine [Mass Ratio] in Urine", "mg/g", 11, 4, 3, None, 30, 1, 900
)
NATRIURETIC_PEPTIDE = _lab(
    "33762-6", "Natriuretic peptide.B prohormone N-Terminal [Mass/volume] in Serum or Plasma",
    "pg/mL", 92, 28, 15, None, 300, 15, 18000,
)  # fmt: skip
HIV_LOAD = _lab(
    "20447-9", "HIV 1 RNA [#/volume] (viral load) in Serum or Plasma by NAA with probe detection",
    "{copies}/mL", 12, 0, 6, None, 20, 0, 900000,
)  # fmt: skip
CD4 = _lab(
    "24467-3",
    "CD3+CD4+ (T4 helper) cells [#/volume] in Blood",
    "/uL",
    820,
    90,
    40,
    500,
    1500,
    20,
    1800,
)
PHQ_9 = _score("44261-6", "Patient Health Questionnaire 9 item (PHQ-9) total score", 1.5, 27)
GAD_7 = _score("70274-6", "Generalized anxiety disorder 7 item (GAD-7) total score", 1.5, 21)

# Findings that are words, not numbers: measure -> chance of a positive result is the course's.
OPIATES = loinc("3879-4", "Opiates [Presence] in Urine")
STREP = loinc("78012-2", "Streptococcus pyogenes Ag [Presence] in Throat by Rapid immunoassay")
SARS_COV_2 = loinc(
    "94500-6", "SARS-CoV-2 (COVID-19) RNA [Presence] in Respiratory system specimen by NAA"
)
SMOKING = loinc("72166-2", "Tobacco smoking status")
BLOOD_PRESSURE = loinc("85354-9", "Blood pressure panel with all children optional")

BASIC_METABOLIC = Panel(
    loinc("51990-0", "Basic metabolic panel - Blood"),
    (GLUCOSE, UREA, CREATININE, FILTRATION, SODIUM, POTASSIUM, CHLORIDE, CARBON_DIOXIDE, CALCIUM),
    4200,
)
LIPIDS = Panel(
    loinc("57698-3", "Lipid panel with direct LDL - Serum or Plasma"),
    (CHOLESTEROL, TRIGLYCERIDES, LDL, HDL),
    3600,
)
BLOOD_COUNT = Panel(
    loinc("58410-2", "CBC panel - Blood by Automated count"),
    (LEUKOCYTES, ERYTHROCYTES, HEMOGLOBIN, HEMATOCRIT, PLATELETS),
    2900,
)
