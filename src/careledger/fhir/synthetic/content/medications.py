"""Medications by RxNorm code, and how they are taken and dispensed."""

from dataclasses import dataclass

from careledger.fhir.synthetic.content.code import Code, rxnorm, snomed

ORAL = snomed("26643006", "Oral route")
INHALED = snomed("447694001", "Respiratory tract route")
SUBLINGUAL = snomed("37839007", "Sublingual route")
NASAL = snomed("46713006", "Nasal route")


@dataclass(frozen=True, slots=True, kw_only=True)
class Medication:
    code: Code
    directions: str
    dose: int  # doses at a time
    times_a_day: int
    unit: str
    days_supply: int
    refills: int  # fills after the first
    price_cents: int  # for each fill
    route: Code = ORAL
    as_needed: bool = False
    quantity: int = 0  # 0: what the days of supply need

    @property
    def quantity_per_fill(self) -> int:
        return self.quantity or self.dose * self.times_a_day * self.days_supply


def _tablets(code: str, display: str, times_a_day: int, price_cents: int) -> Medication:
    """A medicine for years: 90 days a fill, a year a prescription."""
    often = {1: "once daily", 2: "twice daily", 3: "three times daily"}[times_a_day]
    return Medication(
        code=rxnorm(code, display),
        directions=f"Take 1 by mouth {often}",
        dose=1,
        times_a_day=times_a_day,
        unit="{tbl}",
        days_supply=90,
        refills=3,
        price_cents=price_cents,
    )


def _course(code: str, display: str, times_a_day: int, days: int, price_cents: int) -> Medication:
    """A medicine for days: one fill, no refill."""
    return Medication(
        code=rxnorm(code, display),
        directions=f"Take 1 by mouth {times_a_day} times daily for {days} days",
        dose=1,
        times_a_day=times_a_day,
        unit="{tbl}",
        days_supply=days,
        refills=0,
        price_cents=price_cents,
    )


METFORMIN_500 = _tablets(
    "860975", "24 HR metformin hydrochloride 500 MG Extended Release Oral Tablet", 2, 1450
)
METFORMIN_1000 = _tablets("861004", "metformin hydrochloride 1000 MG Oral Tablet", 2, 1890)
EMPAGLIFLOZIN = _tablets("1545658", "empagliflozin 10 MG Oral Tablet", 1, 168000)
LISINOPRIL_10 = _tablets("314076", "lisinopril 10 MG Oral Tablet", 1, 980)
LISINOPRIL_20 = _tablets("314077", "lisinopril 20 MG Oral Tablet", 1, 1120)
AMLODIPINE = _tablets("197361", "amlodipine 5 MG Oral Tablet", 1, 1040)
SIMVASTATIN = _tablets("312961", "simvastatin 20 MG Oral Tablet", 1, 1260)
SERTRALINE_50 = _tablets("312941", "sertraline 50 MG Oral Tablet", 1, 1380)
SERTRALINE_100 = _tablets("312938", "sertraline 100 MG Oral Tablet", 1, 1520)
ESCITALOPRAM = _tablets("349332", "escitalopram 10 MG Oral Tablet", 1, 1430)
OMEPRAZOLE = _tablets("198051", "omeprazole 20 MG Delayed Release Oral Capsule", 1, 1670)
LORATADINE = _tablets("311372", "loratadine 10 MG Oral Tablet", 1, 1190)
LEVOTHYROXINE = _tablets("966222", "levothyroxine sodium 0.075 MG Oral Tablet", 1, 1580)
METOPROLOL = _tablets(
    "866436", "24 HR metoprolol succinate 50 MG Extended Release Oral Tablet", 1, 1760
)
FUROSEMIDE = _tablets("313988", "furosemide 40 MG Oral Tablet", 1, 1090)
APIXABAN = _tablets("1364445", "apixaban 5 MG Oral Tablet", 2, 154000)
FERROUS_SULFATE = _tablets("310325", "ferrous sulfate 325 MG Oral Tablet", 1, 840)
BICTEGRAVIR = _tablets(
    "1999667",
    "bictegravir 50 MG / emtricitabine 200 MG / tenofovir alafenamide 25 MG Oral Tablet",
    1,
    982000,
)
AMOXICILLIN = _course("308182", "amoxicillin 250 MG Oral Capsule", 3, 10, 1240)
PENICILLIN = _course("834102", "penicillin V potassium 500 MG Oral Tablet", 2, 10, 1310)
NITROFURANTOIN = _course(
    "1648755",
    "nitrofurantoin, macrocrystals 25 MG / nitrofurantoin, monohydrate 75 MG Oral Capsule",
    2,
    5,
    2250,
)
IBUPROFEN = _course("310965", "ibuprofen 200 MG Oral Tablet", 3, 10, 690)
ACETAMINOPHEN = _course("313782", "acetaminophen 325 MG Oral Tablet", 3, 7, 640)
NAPROXEN = _course("198014", "naproxen 500 MG Oral Tablet", 2, 14, 980)
BUPRENORPHINE = Medication(
    code=rxnorm("1010604", "buprenorphine 8 MG / naloxone 2 MG Sublingual Film"),
    directions="Place 1 film under the tongue twice daily until dissolved",
    dose=1,
    times_a_day=2,
    unit="{film}",
    days_supply=28,
    refills=5,
    price_cents=21400,
    route=SUBLINGUAL,
)
NALOXONE = Medication(
    code=rxnorm("1725059", "naloxone hydrochloride 40 MG/ML Nasal Spray"),
    directions="Spray once into one nostril for suspected overdose; call for emergency help",
    dose=1,
    times_a_day=1,
    unit="{spray}",
    days_supply=365,
    refills=0,
    price_cents=9800,
    route=NASAL,
    as_needed=True,
    quantity=2,
)
ALBUTEROL = Medication(
    code=rxnorm("2123111", "NDA020503 200 ACTUAT albuterol 0.09 MG/ACTUAT Metered Dose Inhaler"),
    directions="Inhale 2 puffs every 4 hours as needed for wheezing",
    dose=2,
    times_a_day=4,
    unit="{puff}",
    days_supply=120,
    refills=2,
    price_cents=5600,
    route=INHALED,
    as_needed=True,
    quantity=200,
)
FLUTICASONE = Medication(
    code=rxnorm("895994", "120 ACTUAT fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler"),
    directions="Inhale 1 puff twice daily, rinse mouth after use",
    dose=1,
    times_a_day=2,
    unit="{puff}",
    days_supply=60,
    refills=5,
    price_cents=18900,
    route=INHALED,
)
FLUTICASONE_SALMETEROL = Medication(
    code=rxnorm(
        "896209",
        "60 ACTUAT fluticasone propionate 0.25 MG/ACTUAT / salmeterol 0.05 MG/ACTUAT "
        "Dry Powder Inhaler",
    ),
    directions="Inhale 1 dose twice daily",
    dose=1,
    times_a_day=2,
    unit="{puff}",
    days_supply=30,
    refills=11,
    price_cents=14600,
    route=INHALED,
)
SUMATRIPTAN = Medication(
    code=rxnorm("313161", "sumatriptan 50 MG Oral Tablet"),
    directions="Take 1 at the start of a migraine; may repeat once after 2 hours",
    dose=1,
    times_a_day=1,
    unit="{tbl}",
    days_supply=90,
    refills=3,
    price_cents=2980,
    as_needed=True,
    quantity=9,
)
