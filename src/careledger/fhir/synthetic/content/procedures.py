"""Procedures that visits bring with them, and their price."""

from dataclasses import dataclass

from careledger.fhir.synthetic.content.code import Code, snomed


@dataclass(frozen=True, slots=True)
class Procedure:
    code: Code
    price_cents: int


def _procedure(code: str, display: str, price_cents: int) -> Procedure:
    return Procedure(snomed(code, display), price_cents)


ANKLE_XRAY = _procedure("19490002", "Ankle X-ray", 21500)
CHEST_XRAY = _procedure("399208008", "Plain chest X-ray (procedure)", 19800)
IMMOBILIZATION = _procedure("274474001", "Bone immobilization", 46500)
SUTURE = _procedure("288086009", "Suture open wound", 38700)
SPIROMETRY = _procedure("127783003", "Spirometry (procedure)", 14300)
ELECTROCARDIOGRAM = _procedure("29303009", "Electrocardiographic procedure", 9800)
ECHOCARDIOGRAPHY = _procedure("40701008", "Echocardiography (procedure)", 61200)
COUNSELLING = _procedure("228557008", "Cognitive and behavioral therapy (regime/therapy)", 17500)
PSYCHIATRIC_INTERVIEW = _procedure(
    "79094001", "Initial psychiatric interview with mental status and evaluation", 31500
)
REHABILITATION = _procedure("56876005", "Drug rehabilitation and detoxification", 44000)
PREGNANCY_TEST = _procedure("252160004", "Standard pregnancy test", 2600)
ULTRASOUND = _procedure("169230002", "Ultrasound scan for fetal viability", 28900)
FETAL_HEART = _procedure("225158009", "Auscultation of the fetal heart", 4200)
CHILDBIRTH = _procedure("66348005", "Childbirth", 689000)
PHYSICAL_THERAPY = _procedure("91251008", "Physical therapy procedure (regime/therapy)", 12600)
RECONCILIATION = _procedure("430193006", "Medication Reconciliation (procedure)", 0)
DEPRESSION_SCREENING = _procedure("171207006", "Depression screening", 1900)
MAMMOGRAPHY = _procedure("71651007", "Mammography (procedure)", 24800)
COLONOSCOPY = _procedure("73761001", "Colonoscopy", 214000)
CERVICAL_SMEAR = _procedure(
    "90226004", "Cytopathology procedure, preparation of smear, genital source", 8700
)
PSYCHOSOCIAL = _procedure("408919008", "Psychosocial care (regime/therapy)", 15400)
